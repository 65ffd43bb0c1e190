"""The engine and memory: pipelines are freed when done, and running out of memory is handled."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from runner.engine.stage_runner import (
    OUT_OF_MEMORY_ADVICE,
    is_machine_out_of_memory,
    is_out_of_memory,
)
from runner.errors import StageError
from runner.graph.node import PipelineSpec
from runner.system.exit import report_errors
from unit.engine_bench import SPEC, Bench, _stages, bench, crowded, failing, number

__all__ = ["_stages", "bench"]

TEXT = replace(SPEC, pipeline="text")
UNET = replace(SPEC, pipeline="unet")
OTHER = replace(UNET, attention="plain")


def test_a_pipeline_leaves_before_the_next_one_comes(bench: Bench) -> None:
    texts = [number(f"text {n}", n, pipeline=TEXT) for n in (1, 2)]
    bench.execute(*(number(f"image {n}", n, t, pipeline=UNET) for n, t in enumerate(texts)))
    moves = [entry for entry in bench.source.log if entry[0] in ("load", "keep")]
    assert moves == [
        ("load", "text"),
        ("keep", {"unet"}),  # after the second text
        ("load", "unet"),
        ("keep", set()),
    ]
    assert bench.source.live == set()


def test_pipelines_that_differ_in_more_than_their_name_are_told_apart(bench: Bench) -> None:
    kept: list[set[PipelineSpec]] = []
    keep = bench.source.evict_except

    def record(specs: Any) -> None:
        kept.append(set(specs))
        keep(specs)

    bench.source.evict_except = record  # type: ignore[method-assign]
    bench.execute(number("one", 1, pipeline=UNET), number("two", 2, pipeline=OTHER))
    assert kept == [{OTHER}, set()]


def test_nodes_without_a_pipeline_open_none(bench: Bench) -> None:
    outcome = bench.execute(number("two", 2, number("one", 1, pipeline=None), pipeline=None))
    assert outcome.succeeded
    assert bench.opened == 0
    assert bench.source.log == []
    result = bench.recorder.results["two"]
    assert not result.ran.first_call
    assert result.ran.peak_memory_bytes is None


def test_running_out_of_memory_is_relieved_once_for_each_mode(bench: Bench) -> None:
    bench.source.modes = ["model", "group", "sequential"]
    target = crowded("big", "group")
    outcome = bench.execute(target)
    assert outcome.succeeded
    assert bench.source.asked("try") == ["none", "model", "group"]
    assert bench.recorder.told == [
        ("graph", 1),
        ("loaded", "Stand-in"),
        ("started", "big"),
        ("relieved", "big", "none -> model"),
        ("loaded", "Stand-in"),
        ("started", "big"),
        ("relieved", "big", "model -> group"),
        ("loaded", "Stand-in"),
        ("started", "big"),
        ("finished", "big"),
    ]
    assert bench.store.holds(target)


def test_what_was_relieved_stays_so_for_the_nodes_after_it(bench: Bench) -> None:
    bench.source.modes = ["model"]
    bench.execute(crowded("first", "model"), crowded("second", "model"))
    assert bench.source.asked("try") == ["none", "model", "model"]
    assert bench.done("finished") == ["first", "second"]


def test_when_nothing_is_left_the_error_says_what_to_try(bench: Bench) -> None:
    bench.source.modes = ["model"]
    big, fine = crowded("big", "never"), number("fine", 1)
    outcome = bench.execute(number("lost", 2, big), fine)
    assert bench.source.asked("try") == ["none", "model"]
    error = outcome.failed[big.key]
    assert isinstance(error, StageError)
    assert isinstance(error.__cause__, torch.OutOfMemoryError)
    assert str(error).startswith("crowd failed (big): OutOfMemoryError: CUDA out of memory.")
    assert str(error).endswith(OUT_OF_MEMORY_ADVICE)
    for hint in ("offload=", "precision=fp16", "smaller size"):
        assert hint in OUT_OF_MEMORY_ADVICE
    assert not bench.store.holds(big)
    assert bench.done("blocked") == ["lost"]
    assert bench.done("finished") == ["fine"]


def test_running_out_while_a_pipeline_is_placed_is_relieved_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.source.modes = ["model"]
    get = bench.source.get

    def place(spec: PipelineSpec) -> PipelineSpec:
        if bench.source.mode == "none":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return get(spec)

    monkeypatch.setattr(bench.source, "get", place)
    assert bench.execute(number("one", 1)).succeeded
    assert bench.recorder.told[1] == ("relieved", "one", "none -> model")


def test_nothing_of_the_failed_attempt_is_held_on_to_when_memory_is_freed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[weakref.ref[torch.Tensor]] = []
    alive: list[bool] = []

    def crowd(node: Any, inputs: Any, pipeline: Any, on_step: Any) -> Any:
        large = torch.zeros(1000)
        held.append(weakref.ref(large))
        if len(held) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {"sum": large.sum()}

    def relieve() -> str:
        alive.append(held[0]() is not None)
        return "relieved"

    monkeypatch.setattr(sys.modules["stand_in_crowd"], "run", crowd)
    monkeypatch.setattr(bench.source, "relieve", relieve)
    assert bench.execute(crowded("big", "")).succeeded
    assert alive == [False]


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), MemoryError(), StageError("no")])
def test_other_errors_are_not_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    tries: list[str] = []

    def run(node: Any, inputs: Any, pipeline: Any, on_step: Any) -> Any:
        tries.append(node.label)
        raise error

    monkeypatch.setattr(sys.modules["stand_in_crowd"], "run", run)
    bench.source.modes = ["model"]
    bad = crowded("bad", "")
    outcome = bench.execute(bad)
    assert tries == ["bad"]
    assert bench.source.mode == "none"
    failed = outcome.failed[bad.key]
    assert failed is error or failed.__cause__ is error
    assert OUT_OF_MEMORY_ADVICE not in str(failed)


def test_torch_s_own_class_is_known() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(torch.cuda.OutOfMemoryError())
    assert not is_out_of_memory(RuntimeError("CUDA error"))


@pytest.mark.parametrize("take", [lambda: torch.empty(10**15), lambda: bytearray(10**17)])
def test_a_machine_without_memory_is_known(
    take: Callable[[], object], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        take()
    assert is_machine_out_of_memory(caught.value)

    def action() -> int:
        raise MemoryError

    assert report_errors(action) == 1
    assert capsys.readouterr().err.startswith("error: the machine's memory does not suffice")


def test_the_first_call_of_each_pipeline_is_told_apart(bench: Bench) -> None:
    nodes = [
        number(f"{spec.pipeline} {n}", n, pipeline=spec) for spec in (TEXT, UNET) for n in (1, 2)
    ]
    bench.execute(*nodes)
    first = {label: result.ran.first_call for label, result in bench.recorder.results.items()}
    assert first == {"text 1": True, "text 2": False, "unet 1": True, "unet 2": False}
    # What is taken from the store calls nothing; the next that runs is the first again.
    bench.execute(*nodes, number("unet 3", 3, pipeline=UNET), failing("bad"))
    first = {label: result.ran.first_call for label, result in bench.recorder.results.items()}
    assert [label for label, is_first in first.items() if is_first] == ["unet 3"]


def test_a_result_counts_only_once_it_is_known_that_all_took_effect(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = number("one", 1)
    bench.execute(number("other", 2))
    assert bench.source.asked("check") == ["Stand-in"]

    def check_used(spec: PipelineSpec) -> None:
        raise StageError("nothing was compiled")

    monkeypatch.setattr(bench.source, "check_used", check_used)
    assert "nothing was compiled" in str(bench.execute(target).failed[target.key])
    assert not bench.store.holds(target)
