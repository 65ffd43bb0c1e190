"""The memory of models' weights is read back and compared, on a CPU too."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from torch import nn

from functional.cells import small
from runner.analysis.reading import read_results
from runner.cli import main
from runner.recording.manifest import Manifest

VERSION = "kandinsky2_2"


def swept(weights: Path, folder: Path, *axes: str) -> Path:
    given = ("workers=1", "seeds=[3,4]", *axes)
    assert main(["-m", *small(weights, folder, VERSION, *given)]) == 0
    return (folder / "latest").resolve()


def held_mb(*repositories: Path) -> float:
    """Of what diffusers loads."""
    load = partial(DiffusionPipeline.from_pretrained, torch_dtype=torch.float32)
    components = [one for folder in repositories for one in load(folder).components.values()]
    modules = [one for one in components if isinstance(one, nn.Module)]
    tensors = [one for module in modules for one in (*module.parameters(), *module.buffers())]
    return sum(one.nbytes for one in tensors) / 2**20


def test_it_is_that_of_the_models_that_made_a_picture(random_weights: Path, tmp_path: Path) -> None:
    sweep = read_results(swept(random_weights, tmp_path, "quantize.denoiser=none,fp8"))
    usual, cast = ({image.record.weights_mb or 0 for image in c.images} for c in sweep.cells)
    models = (random_weights / f"kandinsky-2-2-{name}" for name in ("prior", "decoder"))
    assert usual == {round(held_mb(*models), 3)}
    assert len(cast) == 1
    assert 0 < max(cast) < min(usual)
    assert sweep.better["weights_mb"] == "lower"
    assert [sweep.mean(cell, "weights_mb") for cell in sweep.cells] == [*usual, *cast]


def test_it_is_not_shown_where_it_is_the_same(random_weights: Path, tmp_path: Path) -> None:
    sweep = read_results(swept(random_weights, tmp_path, "scheduler=ddim,ddpm"))
    assert all(image.record.weights_mb for image in sweep.images())
    assert "weights_mb" not in sweep.better


def test_it_is_not_told_of_models_that_were_not_loaded(
    random_weights: Path, tmp_path: Path
) -> None:
    """The prior's results come from the store: nothing tells what it held then."""
    swept(random_weights, tmp_path, "decoder.guidance_scale=3")
    folder = swept(random_weights, tmp_path, "decoder.guidance_scale=3,4")
    cells = [Manifest.read_file(file) for file in sorted(folder.glob("*/manifest.json"))]
    assert [[image.weights_mb for image in cell.images] for cell in cells] == [[None] * 2] * 2
    assert [image.reused for cell in cells for image in cell.images] == [True] * 2 + [False] * 2
