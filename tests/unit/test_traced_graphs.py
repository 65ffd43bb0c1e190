"""Calls on a CPU that are recorded: when, which not, and what a replay follows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from runner.errors import StageError
from runner.pipelines.graphs import Replaying, replay
from runner.pipelines.traced_graphs import TraceRecorder


class Module(torch.nn.Module):
    """Computes something of a picture."""

    def __init__(self, then: Callable[[torch.Tensor], torch.Tensor] = torch.sin) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)
        self.then = then

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.then(self.layer(picture))
        return found


CANNOT = {
    "a size as a key": (lambda one: one * {2: 1.0}[one.shape[0]], "KeyError"),
    "a number": (lambda one: one * one.sum().item(), "depends on more than sizes"),
    "a choice": (lambda one: one if one.sum() > 0 else -one, "depends on more than sizes"),
    "a mask": (lambda one: one[one > 0], "depends on more than sizes"),
    "numbers without torch": (lambda one: one * one.tolist()[0][0], "gives other results"),
    "noise": (lambda one: one + torch.randn(4), "it draws noise"),
}


@pytest.mark.parametrize("name", CANNOT)
def test_what_cannot_be_recorded_runs_without(name: str) -> None:
    then, why = CANNOT[name]
    module, usual = Module(then).eval(), Module(then).eval()
    usual.load_state_dict(module.state_dict())
    replaying = replay(module, TraceRecorder(module), required=False)
    with torch.inference_mode():
        for n in range(3):
            picture = torch.arange(8.0).reshape(2, 4) - n
            torch.manual_seed(0)
            expected = usual(picture)
            torch.manual_seed(0)
            assert torch.equal(module(picture), expected)
    assert why in str(replaying.failure)
    required = Module(then).eval()
    replay(required, TraceRecorder(required), required=True)
    with torch.inference_mode(), pytest.raises(StageError, match=f"graphs=on: Module .*{why}"):
        required(picture)


def test_a_recording_is_made_after_some_calls() -> None:
    module = Module().eval()
    replaying = replay(module, TraceRecorder(module), required=False, after=2)
    picture = torch.ones(2, 4)
    with torch.inference_mode():
        for recordings in (0, 0, 1, 1):
            module(picture)
            assert replaying.recordings == recordings
        module(torch.ones(3, 4))  # another size is counted by itself
        assert (replaying.recordings, len(replaying)) == (1, 1)
    assert replaying.failure is None


class Convolutions(torch.nn.Module):
    """As after attention: the second one's picture has its channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(4, 64, 3, padding=1)
        self.second = torch.nn.Conv2d(64, 64, 3, padding=1)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        one = self.first(picture)
        rows = one.flatten(2).transpose(1, 2).contiguous()
        found: torch.Tensor = self.second(rows.transpose(1, 2).reshape(one.shape))
        return found


@pytest.mark.parametrize("inference", [True, False])
def test_a_replay_does_not_bring_weights_into_another_layout(inference: bool) -> None:
    """What a call without graphs does each time."""

    def copied() -> list[list[int]]:
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiled:
            module(torch.ones(2, 4, 16, 16))
        shapes = (event.input_shapes for event in profiled.events() if "copy_" in event.name)
        return [shape[0] for shape in shapes if shape[0] == list(module.second.weight.shape)]

    module = Convolutions().eval()
    picture = torch.rand(2, 4, 16, 16)
    with torch.inference_mode(inference), torch.no_grad():
        expected = module(picture)
        assert len(copied()) == 1
        replay(module, TraceRecorder(module), required=True)
        module(torch.zeros(2, 4, 16, 16))
        assert torch.equal(module(picture), expected)
        assert not copied()
    assert module.second.weight.is_contiguous()  # as others see it


def test_a_call_that_takes_long_is_not_recorded() -> None:
    module = Module().eval()
    replaying = replay(module, TraceRecorder(module, longest=0.0), required=False)
    with torch.inference_mode():
        module(torch.ones(2, 4))
        assert str(replaying.failure).endswith("so there is no gain")
        replaying.recorder = TraceRecorder(module)  # as for another size, whose calls are short
        module(torch.ones(2, 4))
        assert replaying.recordings == 0
        module(torch.ones(3, 4))
    assert (replaying.recordings, replaying.failure) == (1, None)


def test_what_was_dropped_for_others_is_counted_anew() -> None:
    module = Module().eval()
    replaying = Replaying(module, TraceRecorder(module), required=False, after=1, most=1)
    with torch.inference_mode():
        for size, recordings in ((2, 0), (2, 1), (3, 1), (3, 2), (2, 2), (2, 3)):
            replaying(torch.ones(size, 4))
            assert replaying.recordings == recordings
