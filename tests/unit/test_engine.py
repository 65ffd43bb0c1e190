"""The engine with stand-in stages and pipelines: what runs, in what order, and its events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.config.choices import CacheMode
from runner.engine.execute import execute
from runner.engine.observer import Compiled, NodeResult, Observer
from runner.engine.stage_runner import StageRunner
from runner.engine.store import Store
from runner.engine.workers import in_process
from runner.errors import Interrupted, StageError, StorageError
from runner.graph.graph import Graph
from runner.graph.node import Node, PipelineSpec
from unit.engine_bench import PEAK, Bench, Deep, Source, _stages, bench, failing, number

__all__ = ["_stages", "bench"]


def test_inputs_come_first_and_are_handed_on(bench: Bench) -> None:
    one, two = number("one", 1), number("two", 2)
    both = number("both", 4, one, two)
    outcome = bench.execute(both)
    assert outcome.succeeded
    assert outcome.finished == {one.key, two.key, both.key}
    assert bench.done("finished") == ["one", "two", "both"]
    assert bench.sum_of(both) == 7


def test_observers_are_told_in_order(bench: Bench) -> None:
    one = number("one", 1)
    bench.execute(number("two", 2, one))
    assert bench.recorder.told == [
        ("graph", 2),
        ("loaded", "Stand-in"),
        ("started", "one"),
        ("step", "one", 1, 2),
        ("step", "one", 2, 2),
        ("finished", "one"),
        ("started", "two"),
        ("step", "two", 1, 2),
        ("step", "two", 2, 2),
        ("finished", "two"),
    ]


def test_stored_results_are_reused_and_open_no_pipelines(bench: Bench) -> None:
    target = number("two", 2, number("one", 1))
    bench.execute(target)
    assert bench.opened == 1
    outcome = bench.execute(target)
    assert outcome.succeeded
    assert bench.opened == 1
    assert bench.recorder.told == [("graph", 1), ("reused", "two")]
    assert bench.sum_of(target) == 3


def test_only_what_is_missing_runs(bench: Bench) -> None:
    one, two = number("one", 1), number("two", 2)
    bench.execute(one, two)
    bench.execute(number("next", 4, one))
    assert bench.done("reused") == ["one"]
    assert bench.done("finished") == ["next"]


@pytest.mark.parametrize("mode", [CacheMode.refresh, CacheMode.off])
def test_other_modes_run_all_and_shared_inputs_once(bench: Bench, mode: CacheMode) -> None:
    shared = number("shared", 1)
    targets = [number("a", 2, shared), number("b", 4, shared)]
    bench.execute(*targets)
    bench.execute(*targets, mode=mode)
    assert bench.done("finished") == ["shared", "a", "b"]
    assert bench.done("reused") == []


def test_a_failure_blocks_only_what_needs_it(bench: Bench) -> None:
    bad = failing("bad")
    lost = number("lost", 1, bad)
    more = number("lost too", 1, lost)
    good = number("good", 1)
    outcome = bench.execute(more, number("fine", 2, good))
    assert not outcome.succeeded
    assert set(outcome.failed) == {bad.key}
    assert outcome.blocked == {lost.key, more.key}
    assert bench.done("finished") == ["good", "fine"]
    assert [e for e in bench.recorder.told if e[0] == "blocked"] == [
        ("blocked", "lost", "bad"),
        ("blocked", "lost too", "lost"),
    ]


def test_a_failed_stage_leaves_no_entry_and_is_tried_again(bench: Bench) -> None:
    bad = failing("bad")
    bench.execute(bad)
    assert not list(bench.folder.rglob("entry.json"))
    bench.execute(bad)
    assert bench.done("failed") == ["bad"]


def test_unexpected_exceptions_become_stage_errors(bench: Bench) -> None:
    bad = failing("the label", "unexpected")
    error = bench.execute(bad).failed[bad.key]
    assert isinstance(error, StageError)
    assert isinstance(error.__cause__, ValueError)
    assert "fail failed (the label): ValueError" in str(error)


def test_known_errors_stay_what_they_are(bench: Bench) -> None:
    bad = failing("bad", "known")
    error = bench.execute(bad).failed[bad.key]
    assert error is bench.recorder.errors["bad"]
    assert error.__cause__ is None


def test_a_stop_is_no_failure_of_a_stage(bench: Bench) -> None:
    first = number("first", 1)
    with pytest.raises(Interrupted):
        bench.execute(number("last", 1, failing("stop", "stopped", first)))
    assert bench.done("failed") == []
    assert bench.store.holds(first)


def test_a_result_that_cannot_be_stored_ends_the_run(bench: Bench) -> None:
    bench.folder.write_text("a file where a folder is needed")
    with pytest.raises(StorageError, match="results"):
        bench.execute(number("one", 1), number("two", 2))
    assert bench.done("started") == ["one"]


def test_a_pipeline_that_cannot_be_loaded_fails_its_nodes_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(spec: PipelineSpec) -> PipelineSpec:
        raise StageError("damaged")

    monkeypatch.setattr(bench.source, "get", refuse)
    one, two = number("one", 1), number("two", 2, pipeline=None)
    outcome = bench.execute(one, two)
    assert set(outcome.failed) == {one.key}
    assert bench.done("finished") == ["two"]


def test_peak_memory_is_of_the_stage_alone(bench: Bench) -> None:
    target = number("one", 1)
    bench.execute(target)
    assert bench.recorder.results["one"].ran.peak_memory_bytes == PEAK
    # Once before, to begin anew, and once after.
    assert len(bench.source.asked("peak")) == 2
    bench.execute(target)
    assert bench.recorder.results["one"].ran.peak_memory_bytes is None


def corrupt(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [corrupt, Path.unlink])
def test_a_damaged_entry_is_made_again_with_what_it_needs(
    bench: Bench, damage: Callable[[Path], None]
) -> None:
    one = number("one", 1)
    two = number("two", 2, one)
    bench.execute(two)
    for node in (one, two):
        damage(bench.folder / node.key[:2] / node.key / "result.safetensors")
    outcome = bench.execute(two)
    assert outcome.succeeded
    assert bench.sum_of(two) == 3
    bench.execute(two)
    assert bench.done("reused") == ["two"]


def test_results_leave_memory_when_nobody_needs_them(bench: Bench) -> None:
    shared = number("shared", 1)
    first, last = number("first", 2, shared), number("last", 4, shared)

    class Look(Observer):
        held: dict[str, list[bool]] = {}  # noqa: RUF012

        def node_started(self, node: Node) -> None:
            self.held[node.label] = [bench.store.holds(n) for n in (shared, first)]

    look = Look()
    bench.store = Store(bench.folder, CacheMode.off)
    execute(Graph([first, last]), in_process(Source), bench.store, [look])
    assert look.held == {
        "shared": [False, False],
        "first": [True, False],
        "last": [True, False],
    }
    assert not any(bench.store.holds(node) for node in (shared, first, last))


def test_an_empty_graph_is_done(bench: Bench) -> None:
    assert bench.execute().succeeded
    assert bench.recorder.told == [("graph", 0)]


def test_what_an_observer_raises_ends_the_run(bench: Bench) -> None:
    class Full(Observer):
        def node_finished(self, result: NodeResult) -> None:
            raise StorageError("disk full")

    with pytest.raises(StorageError, match="disk full"):
        execute(Graph([number("one", 1)]), in_process(Source), bench.store, [Full()])


@pytest.mark.parametrize("labels", [("one", "two", "three"), ("one", "two")])
def test_what_waits_for_a_worker_is_not_run_once_the_user_stops(
    bench: Bench, labels: tuple[str, ...]
) -> None:
    nodes = [number(label, n) for n, label in enumerate(labels)]
    asked = iter(range(9))

    def between() -> None:
        if next(asked) == 2:  # one is running, two waits
            raise Interrupted

    with pytest.raises(Interrupted):
        execute(
            Graph(nodes), lambda _, told: Deep(told), bench.store, [bench.recorder], between=between
        )
    assert bench.done("finished") == ["one"]


def test_a_call_that_compiles_is_a_first_call(bench: Bench) -> None:
    class Compiling(Source):
        def pop_compiled(self, node: Node, seconds: float) -> Compiled | None:
            return Compiled(1, 0, True) if node.label == "of another size" else None

    runner = StageRunner(Compiling, bench.recorder)
    labels = ("first", "again", "of another size")
    calls = [runner.run(number(label, n), {}).first_call for n, label in enumerate(labels)]
    assert calls == [True, False, True]
