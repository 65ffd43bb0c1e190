"""Runs a graph: looks into the store, runs what is missing, tells its observers.

Knows nothing of Hydra, MLflow or any one pipeline. A failed node fails only what needs it.
"""

from __future__ import annotations

import importlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from runner.errors import RunnerError, StageError, StorageError
from runner.events import Loaded, NodeResult, Observer, Observers
from runner.graph import Graph, Node, PipelineSpec
from runner.stages import STAGES, StageFunction
from runner.store import Store
from runner.values import Value

OUT_OF_MEMORY_ADVICE = "; try offload=auto or model, precision=fp16 or a smaller size"


class PipelineSource(Protocol):
    """Gives live pipelines; loads each once."""

    def get(self, spec: PipelineSpec) -> Any: ...

    def pop_loaded(self) -> Sequence[Loaded]:
        """What was loaded since the last call."""
        ...

    def peak_memory_bytes(self) -> int | None:
        """Peak device memory since the last call; None on a CPU."""
        ...

    def check_used(self, spec: PipelineSpec) -> None:
        """After a run: raises StageError where something asked for did not take effect."""
        ...

    def keep(self, specs: Collection[PipelineSpec]) -> None:
        """Only these are still needed."""
        ...

    def relieve(self) -> str | None:
        """After running out of memory: make do with less. What was done; None if nothing can be."""
        ...


@dataclass
class Outcome:
    """What became of a graph's nodes, by key. Stored results may make inputs needless."""

    finished: set[str] = field(default_factory=set)
    failed: dict[str, RunnerError] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)

    @property
    def succeeded(self) -> bool:
        """Whether every node has its result."""
        return not self.failed and not self.blocked


class Engine:
    """Executes graphs.

    Args:
        open_pipelines: gives the source of live pipelines; called when the first stage needs one,
            so that a graph whose results are all stored imports no torch.
        store: where results are looked up and kept.
        observers: told in this order. What they raise ends the run.
        between: called between two nodes; what it raises ends the run.
    """

    def __init__(
        self,
        open_pipelines: Callable[[], PipelineSource],
        store: Store,
        observers: Sequence[Observer],
        between: Callable[[], None] = lambda: None,
    ) -> None:
        self._between = between
        self._open_pipelines = open_pipelines
        self._store = store
        self._observers = Observers(observers)
        self._called: set[PipelineSpec] = set()

    def execute(self, graph: Graph) -> Outcome:
        """Run all nodes that are needed and have no stored result, in the graph's order."""
        outcome = Outcome()
        needed, to_run = self._needed(graph)
        open_uses = _uses(graph, needed)
        self._observers.graph_started(len(needed))
        order = [node for node in graph.in_order() if node.key in needed]
        open_runs = Counter(node.pipeline for node in order if node.key in to_run)
        for node in order:
            self._between()
            self._execute_node(node, outcome)
            self._release(node, open_uses)
            if node.key in to_run:
                open_runs[node.pipeline] -= 1
                if not open_runs[node.pipeline]:
                    del open_runs[node.pipeline]
                    self._release_pipelines({spec for spec in open_runs if spec})
        return outcome

    def _needed(self, graph: Graph) -> tuple[set[str], set[str]]:
        """Keys of the targets and of the inputs of what the store does not hold; and of those that
        it does not hold.
        """
        needed: set[str] = set()
        to_run: set[str] = set()
        waiting = list(graph.targets)
        while waiting:
            node = waiting.pop()
            if node.key not in needed:
                needed.add(node.key)
                if not self._store.holds(node):
                    to_run.add(node.key)
                    waiting.extend(node.inputs.values())
        return needed, to_run

    def _execute_node(self, node: Node, outcome: Outcome) -> None:
        for required in node.inputs.values():
            if required.key in outcome.failed or required.key in outcome.blocked:
                outcome.blocked.add(node.key)
                self._observers.node_blocked(node, required)
                return
        try:
            result = self._result(node)
        except StorageError:
            raise  # the next node's result would have no room either
        except RunnerError as error:
            outcome.failed[node.key] = error
            self._observers.node_failed(node, error)
        else:
            outcome.finished.add(node.key)
            self._observers.node_finished(result)

    def _result(self, node: Node) -> NodeResult:
        started = time.perf_counter()
        stored = self._store.get(node)
        if stored is not None:
            return NodeResult(node, stored, reused=True, seconds=time.perf_counter() - started)
        # An input is missing here only if this node's own entry turned out to be damaged.
        inputs = {name: self._input(required) for name, required in node.inputs.items()}
        return self._run(node, inputs)

    def _input(self, node: Node) -> Value:
        stored = self._store.get(node)
        return stored if stored is not None else self._result(node).value

    def _run(self, node: Node, inputs: Mapping[str, Value]) -> NodeResult:
        while True:
            try:
                return self._attempt(node, inputs)
            except RunnerError:
                raise
            except Exception as error:
                failure = error
            if not is_out_of_memory(failure):
                raise self._failed(node, failure) from failure
            # Only now: the error's frames hold on to what is to be freed.
            failure = failure.with_traceback(None)
            relief = self._pipelines.relieve()
            if relief is None:
                raise self._failed(node, failure, OUT_OF_MEMORY_ADVICE) from failure
            self._called.clear()
            self._observers.memory_relieved(node, relief)

    def _attempt(self, node: Node, inputs: Mapping[str, Value]) -> NodeResult:
        pipeline = self._pipelines.get(node.pipeline) if node.pipeline else None
        if node.pipeline is not None:
            for loaded in self._pipelines.pop_loaded():
                self._observers.pipeline_loaded(loaded)
        self._observers.node_started(node)
        run: StageFunction = importlib.import_module(STAGES[node.stage].module).run
        if node.pipeline is not None:
            self._pipelines.peak_memory_bytes()
        started = time.perf_counter()
        value = run(node, inputs, pipeline, lambda done, of: self._step(node, done, of))
        seconds = time.perf_counter() - started
        peak = None
        if node.pipeline is not None:
            self._pipelines.check_used(node.pipeline)
            peak = self._pipelines.peak_memory_bytes()
        first = node.pipeline is not None and node.pipeline not in self._called
        if node.pipeline is not None:
            self._called.add(node.pipeline)
        self._store.put(node, value, seconds)
        return NodeResult(
            node, value, reused=False, seconds=seconds, first_call=first, peak_memory_bytes=peak
        )

    @staticmethod
    def _failed(node: Node, error: Exception, advice: str = "") -> StageError:
        said = f"{type(error).__name__}: {error}{advice}"
        return StageError(f"{node.stage} failed ({node.label}): {said}")

    @cached_property
    def _pipelines(self) -> PipelineSource:
        return self._open_pipelines()

    def _step(self, node: Node, step: int, steps: int) -> None:
        self._observers.node_step(node, step, steps)

    def _release_pipelines(self, needed: set[PipelineSpec]) -> None:
        """What no later node runs on leaves the device. Nothing is opened only to be closed."""
        if "_pipelines" in vars(self):
            self._called &= needed
            self._pipelines.keep(needed)

    def _release(self, node: Node, open_uses: dict[str, int]) -> None:
        """Results that nobody needs any more leave memory: a sweep's do not add up."""
        for required in node.inputs.values():
            if required.key in open_uses:
                open_uses[required.key] -= 1
        for used in (node, *node.inputs.values()):
            if open_uses.get(used.key, 0) <= 0:
                self._store.forget(used)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an accelerator ran out of memory: torch's class, known without importing torch."""
    named = any(base.__name__ == "OutOfMemoryError" for base in type(error).__mro__)
    return named or "MPS backend out of memory" in str(error)


def _uses(graph: Graph, needed: set[str]) -> dict[str, int]:
    """How many needed nodes take each needed node's result."""
    counts = dict.fromkeys(needed, 0)
    for node in graph:
        if node.key in needed:
            for required in node.inputs.values():
                if required.key in counts:
                    counts[required.key] += 1
    return counts
