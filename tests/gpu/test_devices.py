"""What needs an accelerator. Run them where there is one: pytest -m gpu tests/gpu"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runner.cli import main
from runner.outputs import read_manifest

pytestmark = pytest.mark.gpu

TOLERANCE = 12
"""Levels of 255 that devices and offload modes may differ by in any pixel of the small family."""


@pytest.fixture(autouse=True)
def _needs_cuda() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")


def picture(folder: Path, *overrides: str) -> np.ndarray:
    common = ["tracking=none", "cache=off", "seeds=[3]", "progress=quiet"]
    assert main([f"output_dir={folder}", *common, *overrides]) == 0
    manifest = read_manifest(folder / "latest")
    with Image.open(folder / "latest" / manifest["images"][0]["file"]) as image:
        return np.asarray(image).astype(int)


def test_cuda_draws_what_the_cpu_draws(tmp_path: Path) -> None:
    on_cpu = picture(tmp_path / "cpu", "device=cpu")
    on_gpu = picture(tmp_path / "gpu", "device=cuda")
    assert np.abs(on_cpu - on_gpu).max() <= TOLERANCE


@pytest.mark.parametrize("mode", ["model", "sequential"])
def test_offload_draws_what_none_draws(tmp_path: Path, mode: str) -> None:
    whole = picture(tmp_path / "none", "device=cuda", "offload=none")
    offloaded = picture(tmp_path / mode, "device=cuda", f"offload={mode}")
    assert np.abs(whole - offloaded).max() <= TOLERANCE


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_runs(tmp_path: Path, precision: str) -> None:
    assert picture(tmp_path, "device=cuda", f"precision={precision}").std() > 0
