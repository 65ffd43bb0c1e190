"""Joules under `bench=true`, from a device's counter to one repeat of a stage."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from runner.config.run_config import Bench
from runner.engine.energy import joules_each
from runner.engine.observer import Observer
from runner.engine.stage_runner import StageRunner
from runner.graph.node import Node
from runner.pipelines.energy import open_counter
from unit import engine_bench
from unit.engine_bench import Source, _stages, number

__all__ = ["_stages"]


class Metered(Source):
    """A device that takes 200 W."""

    def joules(self) -> float | None:
        return 200 * time.perf_counter()


def slow(node: Node, inputs: Mapping[str, Any], pipeline: Any, on_step: Any) -> Any:
    time.sleep(0.2)
    return engine_bench.add(node, dict(inputs), pipeline, on_step)


def test_a_stage_has_the_joules_of_one_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stand_in_add.run", slow)
    runner = StageRunner(Metered, Observer(), Bench(warmup=1, repeats=3))
    ran = runner.run(number("one", 1), {})
    assert ran.joules is not None
    # Of one repeat, not of three; a busy machine takes longer between them.
    assert ran.joules == pytest.approx(200 * sum(ran.repeats) / 3, rel=0.5)
    assert ran.joules > 39


def test_they_are_missing_where_they_cannot_be_told() -> None:
    assert joules_each(100.0, 160.0, [0.5, 1.0]) == 30
    for before, after, repeats in (
        (None, None, [1.0]),
        (100.0, 100.0, [1.0]),  # the counter did not move
        (100.0, 130.0, [0.1, 0.1]),  # shorter than it moves
    ):
        assert joules_each(before, after, repeats) is None


def test_a_cpu_has_no_counter() -> None:
    assert open_counter("cpu") is None
