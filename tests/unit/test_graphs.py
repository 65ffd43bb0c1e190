"""Recorded calls: what counts as the same call, what is replayed, what is dropped.

The recorder is one for the CPU; that of CUDA is tested in tests/gpu.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput

from helpers.tape import TapeRecorder
from runner.errors import StageError
from runner.pipelines.graphs import Replaying, replay, replaying_of, split

ONES = torch.ones(2, 3)


class Denoiser(torch.nn.Module):
    """Called as diffusers calls its own. `ran`: how often its code ran, replays left out."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 3)
        self.ran = 0
        self.eval()

    def forward(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        added: dict[str, torch.Tensor] | None = None,
        scale: float = 1,
        return_dict: bool = True,
    ) -> Any:
        self.ran += 1
        found = self.layer(sample) * timestep[None] * scale
        for value in (added or {}).values():
            found = found + value
        return UNet2DConditionOutput(sample=found) if return_dict else (found,)


class Waiting(Denoiser):
    """One that waits for the device."""

    def forward(self, sample: torch.Tensor, *_: Any, **__: Any) -> Any:
        self.ran += 1
        return (self.layer(sample) * sample.sum().item(),)


@pytest.fixture(autouse=True)
def _no_grad() -> Iterator[None]:
    with torch.no_grad():
        yield


def recorded(module: torch.nn.Module, *, required: bool = True) -> Replaying:
    return replay(module, TapeRecorder(), required=required)


def call(module: torch.nn.Module, sample: torch.Tensor, time: float, **more: Any) -> torch.Tensor:
    found: torch.Tensor = module(sample, torch.tensor(time), return_dict=False, **more)[0]
    return found


SAME = [
    ((ONES, {"a": [1, None]}), {"b": ONES}, (ONES * 2, {"a": [1, None]}), {"b": ONES - 1}),
]
OTHER = [
    ((ONES,), (torch.ones(3, 2),)),
    ((ONES,), (torch.ones(3, 2).T,)),  # another layout
    ((ONES,), (ONES.half(),)),
    ((1,), (1.0,)),
    ((1,), (True,)),
    (({"a": ONES},), ({"b": ONES},)),
    (([ONES],), ((ONES,),)),
    ((None,), (False,)),
]


@pytest.mark.parametrize(("one", "options", "other", "others"), SAME)
def test_values_of_tensors_are_no_part_of_a_signature(
    one: Any, options: Any, other: Any, others: Any
) -> None:
    first, second = split(one, options), split(other, others)
    assert not isinstance(first, str)
    assert not isinstance(second, str)
    assert first.signature == second.signature
    assert second.whole(second.tensors) == (other, others)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_all_else_is(one: Any, other: Any) -> None:
    first, second = split(one, {}), split(other, {})
    assert not isinstance(first, str)
    assert not isinstance(second, str)
    assert first.signature != second.signature


def test_a_call_is_recorded_once_and_then_replayed_on_what_is_given() -> None:
    module, plain = Denoiser(), Denoiser()
    plain.load_state_dict(module.state_dict())
    kept = recorded(module)
    added = {"hint": torch.randn(2, 3)}
    found, expected = [], []
    for time in range(4):
        sample = torch.randn(2, 3)
        found.append(call(module, sample, time, added=added))
        expected.append(call(plain, sample, time, added=added))
    # All of them at the end: a scheduler looks at the results of several steps.
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert (kept.recordings, module.ran, plain.ran) == (1, 2, 4)  # once to run, once to record


def test_results_keep_their_form() -> None:
    module = Denoiser()
    recorded(module)
    for time in (1, 2):
        made = module(ONES, torch.tensor(time))
        assert isinstance(made, UNet2DConditionOutput)
        assert torch.equal(made.sample, module.layer(ONES) * time)


def test_constants_are_not_mixed_up() -> None:
    module = Denoiser()
    kept = recorded(module)
    one, two = (call(module, ONES, 1, scale=scale) for scale in (1.0, 2.0))
    again = call(module, ONES, 1, scale=1.0)
    assert torch.equal(one * 2, two)
    assert torch.equal(one, again)
    assert kept.recordings == 2


def test_the_least_recently_used_recording_is_dropped() -> None:
    module = Denoiser()
    kept = recorded(module)
    kept._most = 2
    for rows in (1, 2, 1, 3, 1):
        call(module, torch.ones(rows, 3), 1)
    assert (kept.recordings, len(kept)) == (3, 2)
    call(module, torch.ones(2, 3), 1)
    assert kept.recordings == 4


def test_weights_that_are_elsewhere_are_recorded_anew() -> None:
    module = Denoiser()
    kept = recorded(module)
    before = call(module, ONES, 1)
    module.layer.weight.data = module.layer.weight * 2
    module.layer.bias.data = module.layer.bias * 2
    assert torch.equal(call(module, ONES, 1), before * 2)
    assert kept.recordings == 2
    assert isinstance(kept.recorder, TapeRecorder)
    assert kept.recorder.released == 1


def test_what_cannot_be_recorded_runs_as_without_and_says_why() -> None:
    module = Waiting()
    kept = recorded(module, required=False)
    for factor in (1.0, 2.0):
        sample = ONES * factor
        assert torch.equal(call(module, sample, 1), module.layer(sample) * sample.sum())
    assert kept.failure == "operation not permitted when stream is capturing"
    assert (kept.recordings, len(kept), module.ran) == (0, 0, 3)


def test_what_cannot_be_recorded_is_an_error_where_it_is_required() -> None:
    module = Waiting()
    recorded(module)
    with pytest.raises(StageError, match="graphs=on: Waiting cannot be captured: operation not"):
        call(module, ONES, 1)


def test_an_argument_of_another_kind_is_told() -> None:
    module = Denoiser()
    kept = recorded(module, required=False)
    assert torch.equal(call(module, ONES, 1, scale=torch.Size([2])[0]), module.layer(ONES) * 2)
    with pytest.raises(TypeError):
        call(module, ONES, 1, scale=object())
    assert kept.failure == "an argument is of type object"


def test_gradients_and_dropout_are_never_replayed() -> None:
    module = Denoiser()
    kept = recorded(module)
    with torch.enable_grad():
        assert call(module, ONES, 1).requires_grad
    module.train()
    call(module, ONES, 1)
    assert (kept.recordings, module.ran) == (0, 2)


def test_a_module_and_its_recordings_are_freed_without_garbage_collection() -> None:
    """It is set aside while a run goes on."""
    module = Denoiser()
    recorded(module)
    call(module, ONES, 1)
    assert replaying_of(module) is not None
    gone = weakref.ref(module)
    gc.disable()
    try:
        del module
        assert gone() is None
    finally:
        gc.enable()


def test_hooks_of_others_are_left_alone() -> None:
    module = Denoiser()
    vars(module)["forward"] = module.forward  # as accelerate does
    with pytest.raises(StageError, match="a hook takes the calls of Denoiser"):
        recorded(module)
    assert replaying_of(module) is None
