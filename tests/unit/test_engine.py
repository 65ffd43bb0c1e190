"""The engine with stages and pipelines of the test's own: what runs, in what order, who is told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from runner.config.schema import CacheMode
from runner.engine import Engine, Outcome
from runner.errors import Interrupted, RunnerError, StageError, StorageError
from runner.events import Loaded, NodeResult, Observer
from runner.graph import Graph, Node, PipelineSpec
from runner.stages import STAGES, ResultKind, Stage
from runner.store import Store
from runner.values import OnStep

SPEC = PipelineSpec("Stand-in", "weights", "float32", "sdpa", None, None)
PEAK = 4321


class Source:
    """Stand-in pipelines: a pipeline is its spec."""

    def __init__(self) -> None:
        self._known: set[PipelineSpec] = set()
        self._loaded: list[Loaded] = []
        self.resets = 0

    def get(self, spec: PipelineSpec) -> PipelineSpec:
        if spec not in self._known:
            self._known.add(spec)
            self._loaded.append(Loaded(spec, 0.5, {}))
        return spec

    def pop_loaded(self) -> Sequence[Loaded]:
        loaded, self._loaded = self._loaded, []
        return loaded

    def peak_memory_bytes(self) -> int | None:
        self.resets += 1
        return PEAK


class Recorder(Observer):
    """Keeps what it is told, as (what, label)."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.results: dict[str, NodeResult] = {}
        self.errors: dict[str, RunnerError] = {}

    def graph_started(self, nodes: int) -> None:
        self.told.append(("graph", nodes))

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self.told.append(("loaded", loaded.spec.pipeline))

    def node_started(self, node: Node) -> None:
        self.told.append(("started", node.label))

    def node_step(self, node: Node, step: int, steps: int) -> None:
        self.told.append(("step", node.label, step, steps))

    def node_finished(self, result: NodeResult) -> None:
        self.told.append(("reused" if result.reused else "finished", result.node.label))
        self.results[result.node.label] = result

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self.told.append(("failed", node.label))
        self.errors[node.label] = error

    def node_blocked(self, node: Node, needed: Node) -> None:
        self.told.append(("blocked", node.label, needed.label))


def add(node: Node, inputs: dict[str, Any], pipeline: Any, on_step: OnStep) -> dict[str, Any]:
    """The sum of its number and its inputs' sums."""
    assert pipeline == node.pipeline
    on_step(1, 2)
    on_step(2, 2)
    total = node.integer("number") + sum(int(value["sum"]) for value in inputs.values())
    return {"sum": torch.tensor(total)}


def fail(node: Node, inputs: Any, pipeline: Any, on_step: OnStep) -> Any:
    raise {"unexpected": ValueError, "known": StageError, "stopped": Interrupted}[
        str(node.params["how"])
    ]()


@pytest.fixture(autouse=True)
def _stages(monkeypatch: pytest.MonkeyPatch) -> None:
    for run in (add, fail):
        module = ModuleType(f"stand_in_{run.__name__}")
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        stage = Stage(run.__name__, 1, module.__name__, ResultKind.tensors)
        monkeypatch.setitem(STAGES, stage.name, stage)


def number(label: str, value: int, *needed: Node, pipeline: PipelineSpec | None = SPEC) -> Node:
    inputs = {f"input{i}": node for i, node in enumerate(needed)}
    return Node("add", 1, {"number": value}, inputs, pipeline, label=label)


def failing(label: str, how: str = "known", *needed: Node) -> Node:
    inputs = {f"input{i}": node for i, node in enumerate(needed)}
    return Node("fail", 1, {"how": how, "label": label}, inputs, label=label)


class Bench:
    """An engine over a folder, made anew for each run as a new process would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = Source()
        self.opened = 0
        self.recorder = Recorder()
        self.store = Store(folder, CacheMode.use)

    def execute(self, *targets: Node, mode: CacheMode = CacheMode.use) -> Outcome:
        self.recorder = Recorder()
        self.store = Store(self.folder, mode)
        return Engine(self._open, self.store, [self.recorder]).execute(Graph(targets))

    def _open(self) -> Source:
        self.opened += 1
        return self.source

    def done(self, what: str) -> list[str]:
        return [event[1] for event in self.recorder.told if event[0] == what]

    def sum_of(self, node: Node) -> int:
        value = self.recorder.results[node.label].value
        assert isinstance(value, dict)
        return int(value["sum"])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "results")


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
    assert bench.recorder.results["one"].peak_memory_bytes == PEAK
    assert bench.source.resets == 2  # once before, to begin anew, and once after
    bench.execute(target)
    assert bench.recorder.results["one"].peak_memory_bytes is None


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
    Engine(Source, bench.store, [look]).execute(Graph([first, last]))
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
        Engine(Source, bench.store, [Full()]).execute(Graph([number("one", 1)]))
