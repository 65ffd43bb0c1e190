"""Denoisers whose calls are recorded and replayed draw the same pixels, to the last bit.

With a recorder for the CPU: what diffusers' pipelines and schedulers do with arguments and results
is the same on a GPU, where `tests/gpu/test_graphs.py` captures CUDA graphs.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils import _pytree as pytree

from functional.cells import Watched, drawn, opened, planned, small
from helpers.tape import BetweenDevices, TapeRecorder
from runner.cli import main
from runner.graph.node import PipelineSpec
from runner.pipelines.cuda_graphs import move_constants
from runner.pipelines.graphs import Replaying, replay, replaying_of
from runner.planning.plan import Plan
from tracking.processes import MLflow

SEEDS = "seeds=[3,4]"
PICTURE = "inputs.image=picture.png"

CELLS = {
    # Schedulers that look at the results of several steps, of one, and that draw noise.
    "2.0": ("kandinsky2_0", (SEEDS,), 1),
    "2.1": ("kandinsky2_1", (SEEDS, "scheduler=dpmpp_2m"), 2),
    "2.2": ("kandinsky2_2", (SEEDS, "scheduler=lcm"), 2),
    "3": ("kandinsky3", (SEEDS, "scheduler=ddpm"), 1),
    "unguided": ("kandinsky2_2", (SEEDS, "decoder.guidance_scale=1"), 2),
    "a batch": ("kandinsky2_2", ("seeds=[3,4,5]", "batch_size=2"), 4),  # two, and one, of each
    "nine channels": ("kandinsky2_2", ("task=inpaint", PICTURE, "inputs.mask_box=[0,0,32,64]"), 2),
    "a hint": ("kandinsky2_2", ("task=controlnet", "inputs.hint=picture.png"), 2),
    "a picture": ("kandinsky2_1", ("task=img2img", PICTURE, "strength=0.9"), 2),
    # Each text at its own length: two shapes for each step.
    "a longer negative prompt": (
        "kandinsky3", ("negative_prompt='a red circle on blue and a square beside it'",), 2,
    ),
    "5": ("kandinsky5", (SEEDS, "scheduler=flow_dpmpp_2m"), 2),  # prompt, negative prompt
    "an edit": ("kandinsky5", ("task=edit", PICTURE), 2),
}  # fmt: skip
"""Name -> version, overrides, and how many signatures the calls of its denoisers have."""


def denoiser_of(live: Any) -> torch.nn.Module | None:
    """The module of a pipeline that is called at each step; None: there is none."""
    found = (getattr(live, name, None) for name in ("prior", "unet", "transformer"))
    return next((module for module in found if module is not None), None)


class Replayed(Watched):
    """Pipelines whose denoisers are replayed."""

    def get(self, spec: PipelineSpec) -> Any:
        live = super().get(spec)
        module = denoiser_of(live)
        if module is not None and replaying_of(module) is None:
            self.replaying.append(replay(module, TapeRecorder(), required=True))
        return live

    @classmethod
    def of(cls, plan: Plan) -> Replayed:
        found = opened(plan)
        found.__class__ = cls
        assert isinstance(found, Replayed)
        found.replaying = []
        return found

    replaying: list[Replaying]


@pytest.mark.parametrize("name", CELLS)
def test_replayed_steps_draw_the_same(
    name: str, random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 50).convert("RGB").save("picture.png")
    version, overrides, signatures = CELLS[name]
    plan, on = (
        planned(random_weights, tmp_path, version, "cache=off", f"graphs={value}", *overrides)
        for value in ("off", "on")
    )
    usual = drawn(plan, opened(plan))
    pipelines = Replayed.of(plan)
    replayed, traced = drawn(plan, pipelines), drawn(on, opened(on))
    assert len(usual.pictures) == len(plan.images)
    for one, *others in zip(usual.pictures, replayed.pictures, traced.pictures, strict=True):
        assert all(np.array_equal(one, other) for other in others)
        assert one.std() > 5
    assert sum(one.recordings for one in pipelines.replaying) == signatures
    assert all(one.failure is None for one in pipelines.replaying)
    held = [result.ran.graphs for result in traced.results if result.ran.graphs is not None]
    assert sum(one.captured for one in held) >= signatures


@pytest.mark.parametrize("name", ["2.0", "2.1", "2.2", "3", "5", "an edit"])
def test_no_call_of_a_denoiser_copies_between_devices(
    name: str, random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a CUDA graph is captured, nothing can be copied from the host's usual memory.

    The meta device stands in for a GPU: it has no numbers that could be asked for either.
    """
    monkeypatch.chdir(tmp_path)
    Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 50).convert("RGB").save("picture.png")
    version, overrides, _ = CELLS[name]
    plan = planned(random_weights, tmp_path, version, "cache=off", *overrides)
    pipelines = opened(plan, keep_all=True)
    drawn(plan, pipelines)
    calls: dict[torch.nn.Module, tuple[Any, Any]] = {}

    def keep(module: torch.nn.Module, args: Any, options: Any) -> None:
        calls[module] = args, options

    denoisers = [found for live in pipelines.given.values() if (found := denoiser_of(live))]
    for denoiser in denoisers:
        denoiser.register_forward_pre_hook(keep, with_kwargs=True)
    drawn(plan, pipelines)
    assert len(calls) == len(denoisers) == (2 if plan.run.version.has_prior else 1)
    for denoiser, given in calls.items():
        there = copy.deepcopy(denoiser).to("meta")
        move_constants(there, torch.device("meta"))
        args, options = pytree.tree_map_only(torch.Tensor, lambda one: one.to("meta"), given)
        with torch.no_grad(), BetweenDevices():
            type(there).forward(there, *args, **options)


@pytest.mark.slow
def test_each_cell_of_a_sweep_tells_its_graphs(random_weights: Path, tmp_path: Path) -> None:
    """Those that an earlier cell has recorded, too: a cell that tells none ran without."""
    given = ("scheduler=ddim,ddpm", "graphs=on", "tracking=mlflow", "workers=1", SEEDS)
    assert main(["-m", *small(random_weights, tmp_path, "kandinsky2_2", *given)]) == 0
    runs = MLflow(tmp_path / "mlflow.db").runs()
    told = [run.data.tags.get("runner.graphs") for run in runs if "runner.cell" in run.data.tags]
    assert len(told) == 2
    assert all("decode: 1 traced graph captured, 1 kept" in (one or "") for one in told)
