"""A cell leaves the process's settings as they were: those after it are drawn and compiled as if
they were alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from functional.cells import drawn, opened, planned
from helpers.packages import needs
from random_weights.loras import entry
from runner.catalog.quantization import METHODS
from runner.workers.torch_state import TorchState

QUANTIZED = ("quantize.text={0}", "quantize.denoiser={0}")


def settings() -> dict[str, Any]:
    """What decides how tensors are computed with, and modules are compiled."""
    import torch._dynamo.config as dynamo
    import torch._functorch.config as functorch
    import torch._inductor.config as inductor

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    compilers = {"dynamo": dynamo, "functorch": functorch, "inductor": inductor}
    compiling = {
        f"{name}.{key}": repr(value)
        for name, module in compilers.items()
        for key, value in module.get_config_copy().items()
    }
    return {
        **compiling,
        "default dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "products": (
            torch.get_float32_matmul_precision(),
            matmul.fp32_precision,
            matmul.allow_tf32,
            matmul.allow_fp16_reduced_precision_reduction,
            matmul.allow_bf16_reduced_precision_reduction,
        ),
        "convolutions": (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32),
        "attention": (
            torch.backends.cuda.flash_sdp_enabled(),
            torch.backends.cuda.mem_efficient_sdp_enabled(),
            torch.backends.cuda.math_sdp_enabled(),
            torch.backends.cuda.cudnn_sdp_enabled(),
        ),
        "mkldnn": torch.backends.mkldnn.enabled,
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "numpy": np.geterr(),
        "environment": dict(os.environ),
    }


@pytest.mark.parametrize(
    ("version", "overrides"),
    [
        *[(v, [key.format(m) for key in QUANTIZED]) for v in ("2_2", "5") for m in METHODS],
        ("2_0", ["precision=bf16"]),
        ("2_1", ["attention=sliced"]),
        ("2_2", ["channels_last=true"]),
        ("3", ["scheduler=ddim"]),
        ("5", ["scheduler=flow_unipc"]),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_cell_leaves_the_settings_as_they_were(
    version: str, overrides: list[str], random_weights: Path, tmp_path: Path
) -> None:
    for method in METHODS:
        if any(method in one for one in overrides):
            needs(method)
    before = settings()
    plan = planned(random_weights, tmp_path, f"kandinsky{version}", "cache=off", *overrides)
    assert drawn(plan, opened(plan)).pictures
    assert settings() == before


def test_a_lora_leaves_them_too(
    random_weights: Path, lora_files: dict[str, Path], tmp_path: Path
) -> None:
    before = settings()
    lora = entry(lora_files["decoder"], 0.5, "decoder")
    plan = planned(random_weights, tmp_path, "kandinsky2_2", "cache=off", f"lora=[{lora}]")
    assert drawn(plan, opened(plan)).pictures
    assert settings() == before


def test_a_worker_that_stays_sets_them_as_they_were() -> None:
    """And nothing else: a setting that is set is another one to torch.compile."""
    before, state = settings(), TorchState()
    state.restore()
    assert settings() == before
    torch.set_default_dtype(torch.float64)
    torch.backends.cudnn.benchmark = True
    torch.set_grad_enabled(False)
    state.restore()
    assert settings() == before
