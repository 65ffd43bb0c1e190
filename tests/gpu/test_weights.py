"""Quantised weights and LoRAs on CUDA: pictures are those of the CPU, offloaded or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from functional.cells import Drawn, drawn, opened, planned
from gpu.tolerances import OTHER_KERNELS, SAME_KERNELS
from helpers.packages import needs
from helpers.pixels import furthest
from random_weights.loras import entry
from runner.catalog.quantization import METHODS

pytestmark = pytest.mark.gpu

VERSIONS = ("kandinsky2_2", "kandinsky5")


def made(weights: Path, folder: Path, version: str, *overrides: str) -> Drawn:
    plan = planned(weights, folder, version, "cache=off", "offload=none", *overrides)
    return drawn(plan, opened(plan))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("version", VERSIONS)
def test_quantised_weights_draw_what_they_draw_on_a_cpu(
    version: str, method: str, random_weights: Path, tmp_path: Path
) -> None:
    needs(method)
    quantized = (f"quantize.text={method}", f"quantize.denoiser={method}")
    on_cpu, whole, moved = (
        made(random_weights, tmp_path / str(n), version, *quantized, *given)
        for n, given in enumerate(((), ("device=cuda",), ("device=cuda", "offload=model")))
    )
    assert whole.pixels.std() > 10
    assert furthest(whole.pixels, on_cpu.pixels) <= OTHER_KERNELS
    assert furthest(moved.pixels, whole.pixels) <= SAME_KERNELS
    for found in (whole, moved):
        assert found.read_back("quantized").keys() == on_cpu.read_back("quantized").keys()
    assert whole.read_back("weights_mb") == pytest.approx(on_cpu.read_back("weights_mb"))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lora_draws_what_it_draws_on_a_cpu(
    version: str, random_weights: Path, lora_files: dict[str, Path], tmp_path: Path
) -> None:
    file = lora_files["5" if version == "kandinsky5" else "decoder"]
    lora = f"lora=[{entry(file, 0.7, 'decoder')}]"
    on_cpu, on_gpu, moved, plain = (
        made(random_weights, tmp_path / str(n), version, *given)
        for n, given in enumerate(
            (
                (lora,),
                (lora, "device=cuda"),
                (lora, "device=cuda", "offload=model"),
                ("device=cuda",),
            )
        )
    )
    assert furthest(on_gpu.pixels, on_cpu.pixels) <= OTHER_KERNELS
    assert furthest(moved.pixels, on_gpu.pixels) <= SAME_KERNELS
    assert not np.array_equal(plain.pixels, on_gpu.pixels)
