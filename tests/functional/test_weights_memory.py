"""The memory of models' weights is read back and compared, on a CPU too."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from torch import nn

from functional.cells import small
from runner.analysis.reading import read_results
from runner.cli import main

VERSION = "kandinsky2_2"


def swept(weights: Path, folder: Path, *axes: str) -> Path:
    given = ("seeds=[3,4]", "workers=1", *axes)
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


def test_it_is_known_of_what_comes_from_the_store(random_weights: Path, tmp_path: Path) -> None:
    swept(random_weights, tmp_path, "decoder.guidance_scale=3")
    folder = swept(random_weights, tmp_path, "decoder.guidance_scale=3,4", "workers=2")
    images = [image.record for image in read_results(folder).images()]
    assert [image.reused for image in images] == [True, True, False, False]
    assert len({image.weights_mb for image in images}) == 1
    assert images[0].weights_mb is not None


def test_it_is_not_told_where_a_store_of_before_does_not_know(
    random_weights: Path, tmp_path: Path
) -> None:
    swept(random_weights, tmp_path, "decoder.guidance_scale=3")
    for file in tmp_path.rglob("entry.json"):
        entry = json.loads(file.read_text())
        if entry["stage"] == "prior":
            del entry["weights_mb"]
        file.write_text(json.dumps(entry))
    again = read_results(swept(random_weights, tmp_path, "decoder.guidance_scale=3,4"))
    assert [image.record.weights_mb for image in again.images()] == [None] * 4
