"""A test bench for the engine: stand-in stages and pipelines, and an observer that keeps events."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from runner.config.choices import CacheMode
from runner.engine.execute import execute
from runner.engine.observer import Compiled, GraphsHeld, Loaded, NodeResult, Observer, Ran
from runner.engine.outcome import Outcome
from runner.engine.results import Made
from runner.engine.store import Store
from runner.engine.workers import Here, in_process
from runner.errors import Interrupted, RunnerError, StageError
from runner.graph.graph import Graph
from runner.graph.node import Node, PipelineSpec
from runner.graph.stage_table import STAGES, ResultKind, Stage
from runner.graph.values import OnStep

SPEC = PipelineSpec("Stand-in", "weights", "float32", "sdpa", None, None)
PEAK = 4321


class Source:
    """Stand-in pipelines: a pipeline is its spec.

    Attributes:
        log: what was asked of it, in order.
        modes: what `relieve` may still go down to.
        fits: the mode from which on nothing runs out of memory; see `crowd`.
    """

    def __init__(self) -> None:
        self.live: set[PipelineSpec] = set()
        self.log: list[tuple[str, Any]] = []
        self.modes: list[str] = []
        self.mode = "none"
        self._loaded: list[Loaded] = []

    def get(self, spec: PipelineSpec) -> PipelineSpec:
        if spec not in self.live:
            self.live.add(spec)
            self.log.append(("load", spec.pipeline))
            self._loaded.append(
                Loaded(spec, 0.5, {"mode": self.mode, "weights_mb": {"model": 2.5}})
            )
        return spec

    def pop_loaded(self) -> Sequence[Loaded]:
        loaded, self._loaded = self._loaded, []
        return loaded

    def peak_memory_bytes(self) -> int | None:
        self.log.append(("peak", None))
        return PEAK

    def memory(self) -> tuple[int, int] | None:
        return None

    def joules(self) -> float | None:
        return None

    def check_used(self, spec: PipelineSpec) -> None:
        self.log.append(("check", spec.pipeline))

    def graphs(self, spec: PipelineSpec) -> GraphsHeld | None:
        return None

    def pop_compiled(self, node: Node, seconds: float) -> Compiled | None:
        return None

    def evict_except(self, specs: Collection[PipelineSpec]) -> None:
        self.log.append(("keep", {spec.pipeline for spec in specs}))
        self.live &= set(specs)

    def unload(self) -> None:
        self.evict_except(())

    def relieve(self) -> str | None:
        if not self.modes:
            return None
        before, self.mode = self.mode, self.modes.pop(0)
        self.live.clear()
        return f"{before} -> {self.mode}"

    def asked(self, what: str) -> list[Any]:
        return [value for kind, value in self.log if kind == what]


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

    def memory_relieved(self, node: Node, how: str) -> None:
        self.told.append(("relieved", node.label, how))

    def worker_died(self, node: Node, how: str) -> None:
        self.told.append(("died", node.label, how))

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


def crowd(node: Node, inputs: Any, pipeline: Any, on_step: OnStep) -> Any:
    """Runs out of memory until the pipelines are down to the mode that it fits into."""
    source = Bench.current.source
    source.log.append(("try", source.mode))
    if source.mode != node.params["fits"]:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    return {"sum": torch.tensor(0)}


@pytest.fixture(autouse=True)
def _stages(monkeypatch: pytest.MonkeyPatch) -> None:
    for run in (add, fail, crowd):
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


def crowded(label: str, fits: str, *needed: Node, pipeline: PipelineSpec = SPEC) -> Node:
    inputs = {f"input{i}": node for i, node in enumerate(needed)}
    return Node("crowd", 1, {"fits": fits, "label": label}, inputs, pipeline, label=label)


class Deep(Here):
    """Takes two nodes and runs each when it is waited for, as a worker elsewhere does."""

    def __init__(self, observer: Observer) -> None:
        super().__init__(Source, observer)
        self._given: deque[tuple[Node, Mapping[str, Made]]] = deque()
        self._recalled = False

    def has_idle(self) -> bool:
        return not self._given

    def takes_next(self, node: Node, ready: int) -> bool:
        return len(self._given) == 1

    def submit(self, node: Node, inputs: Mapping[str, Made]) -> None:
        self._given.append((node, inputs))

    def has_waiting(self) -> bool:
        return len(self._given) == 2

    def recall(self) -> None:
        self._recalled = True

    def wait(self) -> tuple[Node, Ran | RunnerError | None]:  # type: ignore[override]
        if self._recalled and len(self._given) == 2:
            return self._given.pop()[0], None
        super().submit(*self._given.popleft())
        return super().wait()


class Bench:
    """An engine over a folder, made anew for each run as a new process would."""

    current: Bench

    def __init__(self, folder: Path) -> None:
        Bench.current = self
        self.folder = folder
        self.source = Source()
        self.opened = 0
        self.recorder = Recorder()
        self.store = Store(folder, CacheMode.use)

    def execute(self, *targets: Node, mode: CacheMode = CacheMode.use) -> Outcome:
        self.recorder = Recorder()
        self.store = Store(self.folder, mode)
        return execute(Graph(targets), in_process(self._open), self.store, [self.recorder])

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
