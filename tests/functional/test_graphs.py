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
from torch.utils._python_dispatch import TorchDispatchMode

from functional.cells import VERSIONS, Watched, drawn, opened, planned
from helpers.tape import TapeRecorder
from runner.graph.node import PipelineSpec
from runner.pipelines.graphs import Replaying, bring_loose_tensors, replay, replaying_of
from runner.planning.plan import Plan

SEEDS = "seeds=[3,4]"
PICTURE = "inputs.image=picture.png"

CELLS = {
    # Schedulers that look at the results of several steps, of one, and that draw noise.
    "2.0": ("kandinsky2_0", (SEEDS,), 1),
    "2.1": ("kandinsky2_1", (SEEDS, "scheduler=dpmpp_2m"), 2),
    "2.2": ("kandinsky2_2", (SEEDS, "scheduler=lcm"), 2),
    "3": ("kandinsky3", (SEEDS, "scheduler=ddpm"), 1),
    "5": ("kandinsky5", (SEEDS,), 2),  # one call with the prompt, one with the negative one
    "unguided": ("kandinsky2_2", (SEEDS, "decoder.guidance_scale=1"), 2),
    "a batch": ("kandinsky2_2", ("seeds=[3,4,5]", "batch_size=2"), 4),  # two, and one, of each
    "nine channels": ("kandinsky2_2", ("task=inpaint", PICTURE, "inputs.mask_box=[0,0,32,64]"), 2),
    "a hint": ("kandinsky2_2", ("task=controlnet", "inputs.hint=picture.png"), 2),
    "a picture": ("kandinsky2_1", ("task=img2img", PICTURE, "strength=0.9"), 2),
    # Each text at its own length: two shapes for each step.
    "a longer negative prompt": (
        "kandinsky3", ("negative_prompt='a red circle on blue and a square beside it'",), 2,
    ),
}  # fmt: skip
"""Name -> version, overrides, and how many signatures the calls of its denoisers have."""


def denoiser_of(live: Any) -> Any:
    """The module that is called at each step, if it has one."""
    names = ("prior", "unet", "transformer")
    return next((live.components[name] for name in names if live.components.get(name)), None)


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
    plan = planned(random_weights, tmp_path, version, "cache=off", *overrides)
    usual = drawn(plan, opened(plan))
    pipelines = Replayed.of(plan)
    replayed = drawn(plan, pipelines)
    assert len(usual.pictures) == len(plan.images)
    for one, other in zip(usual.pictures, replayed.pictures, strict=True):
        assert np.array_equal(one, other)
        assert one.std() > 5
    assert sum(one.recordings for one in pipelines.replaying) == signatures
    assert all(one.failure is None for one in pipelines.replaying)


class DeviceOnly(TorchDispatchMode):
    """Refuses what a capture refuses: tensors that are made on the CPU, or copied from there."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = func(*args, **kwargs or {})
        for one in pytree.tree_leaves((args, kwargs, found)):
            assert not isinstance(one, torch.Tensor) or one.is_meta, f"{func} with the CPU"
        return found


@pytest.mark.parametrize("version", VERSIONS)
def test_denoisers_compute_on_their_device_alone(
    random_weights: Path, tmp_path: Path, version: str
) -> None:
    """`meta` stands for a GPU: it has no values to wait for, and takes no copies of the CPU's."""
    calls: list[tuple[Any, Any, Any]] = []
    plan = planned(random_weights, tmp_path, version, "cache=off")
    pipelines = opened(plan, keep_all=True)
    for node in plan.graph:
        if node.pipeline is not None and (module := denoiser_of(pipelines.get(node.pipeline))):
            module.register_forward_pre_hook(lambda *call: calls.append(call), with_kwargs=True)
    drawn(plan, pipelines)
    assert calls
    for module, arguments, options in calls:
        module._forward_pre_hooks.clear()
        there = copy.deepcopy(module).to("meta")
        bring_loose_tensors(there, torch.device("meta"))
        given, named = pytree.tree_map_only(
            torch.Tensor, lambda one: one.to("meta"), (arguments, options)
        )
        with torch.no_grad(), DeviceOnly():
            there(*given, **named)
