"""Runs one node on live pipelines, in this process or in a worker."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Protocol

from runner.config.run_config import Bench
from runner.engine.energy import joules_each
from runner.engine.observer import Compiled, GraphsHeld, Loaded, Observer, Ran
from runner.errors import BatchTooLargeError, RunnerError, StageError
from runner.graph.node import Node, PipelineSpec
from runner.graph.stage_table import MEASURE, MEMBER, STAGES, StageFunction
from runner.graph.values import Value

OUT_OF_MEMORY_ADVICE = "; try offload=auto or model, precision=fp16 or a smaller size"
MACHINE_ADVICE = "; the machine's memory does not suffice: try fewer workers or a smaller size"

SAID_WITHOUT_MEMORY = ("can't allocate memory", "std::bad_alloc")
"""Of torch's allocator for the CPU, and of C++."""


class PipelineSource(Protocol):
    """Gives live pipelines; loads each once."""

    def get(self, spec: PipelineSpec) -> Any: ...

    def pop_loaded(self) -> Sequence[Loaded]:
        """Pipelines that were loaded since the last call."""
        ...

    def peak_memory_bytes(self) -> int | None:
        """Peak device memory since the last call; None on a CPU."""
        ...

    def memory(self) -> tuple[int, int] | None:
        """Device memory that is held, and all that could be, in bytes; None on a CPU."""
        ...

    def joules(self) -> float | None:
        """The reading of the device's energy counter; None where it has none."""
        ...

    def check_used(self, spec: PipelineSpec) -> None:
        """After a run: raises StageError where a requested setting did not take effect."""
        ...

    def graphs(self, spec: PipelineSpec) -> GraphsHeld | None:
        """The graphs of a pipeline; None where it runs without."""
        ...

    def pop_compiled(self, node: Node, seconds: float) -> Compiled | None:
        """What was compiled since the last call, in which the node took so long."""
        ...

    def evict_except(self, specs: Collection[PipelineSpec]) -> None:
        """Unload all pipelines but these."""
        ...

    def unload(self) -> None:
        """Unload all pipelines, also what is kept for later commands."""
        ...

    def relieve(self) -> str | None:
        """After running out of memory: use less. Returns what was changed; None: nothing can be."""
        ...


class StageRunner:
    """Runs nodes one after the other.

    Args:
        open_pipelines: gives the source of live pipelines; called when the first node needs one,
            so that reading pictures imports no torch.
        observer: notified of events while a node runs.
        bench: how often each node that draws is run; None: once.
    """

    def __init__(
        self,
        open_pipelines: Callable[[], PipelineSource],
        observer: Observer,
        bench: Bench | None = None,
    ) -> None:
        self._open_pipelines = open_pipelines
        self._observer = observer
        self._bench = bench
        self._called: set[PipelineSpec] = set()
        self._weights_mb: dict[PipelineSpec, float] = {}

    def run(self, node: Node, inputs: Mapping[str, Value]) -> Ran:
        """Run a node; after running out of memory, again with less, while that is possible.

        Raises:
            RunnerError: it failed; `__cause__`: the original exception, if it was no RunnerError.
        """
        while True:
            try:
                return self._attempt(node, inputs)
            except RunnerError:
                raise
            except Exception as error:
                failure = error
            too_large = MEMBER in node.params and is_machine_out_of_memory(failure)
            if not (is_out_of_memory(failure) or too_large):
                advice = MACHINE_ADVICE if is_machine_out_of_memory(failure) else ""
                raise _failed(node, failure, advice) from failure
            # Not within `except`: the error's frames hold references to what is to be freed.
            failure = failure.with_traceback(None)
            if MEMBER in node.params:
                self._called.clear()
                self._pipelines.unload()  # also what lies scattered in between
                raise BatchTooLargeError(str(_failed(node, failure))) from failure
            relief = self._pipelines.relieve()
            if relief is None:
                raise _failed(node, failure, OUT_OF_MEMORY_ADVICE) from failure
            self._called.clear()
            self._observer.memory_relieved(node, relief)

    def evict_except(self, specs: Collection[PipelineSpec]) -> None:
        """Unload all pipelines but these. The source is not opened for that."""
        if "_pipelines" in vars(self):
            self._called &= set(specs)
            self._pipelines.evict_except(specs)

    def unload(self) -> None:
        """Unload all pipelines, also what is kept for later."""
        if "_pipelines" in vars(self):
            self._called.clear()
            self._pipelines.unload()

    @cached_property
    def _pipelines(self) -> PipelineSource:
        return self._open_pipelines()

    def _attempt(self, node: Node, inputs: Mapping[str, Value]) -> Ran:
        spec = node.pipeline
        pipeline = None
        if spec is not None:
            pipeline = self._pipelines.get(spec)
            for loaded in self._pipelines.pop_loaded():
                self._weights_mb[loaded.spec] = sum(loaded.readback["weights_mb"].values())
                self._observer.pipeline_loaded(loaded)
        self._observer.node_started(node)
        stage = STAGES[node.stage]
        assert stage.module is not None, f"{node.stage} is given, never run"
        run: StageFunction = getattr(importlib.import_module(stage.module), stage.function)
        call = partial(run, node, inputs, pipeline, partial(self._observer.node_step, node))
        if self._bench is not None and spec is not None and node.stage != MEASURE:
            return self._measured(node, spec, call, self._bench)
        memory = None
        if spec is not None:
            memory = self._pipelines.memory()
            self._pipelines.peak_memory_bytes()
        started = time.perf_counter()
        value = call()
        seconds = time.perf_counter() - started
        if spec is None:
            return Ran(value, seconds)
        self._pipelines.check_used(spec)
        peak, graphs = self._pipelines.peak_memory_bytes(), self._pipelines.graphs(spec)
        compiled = self._pipelines.pop_compiled(node, seconds)
        first = spec not in self._called or compiled is not None  # of another size, it compiles
        self._called.add(spec)
        return Ran(
            value, seconds, first, peak, graphs=graphs, compiled=compiled, memory=memory,
            weights_mb=self._weights_mb.get(spec),
        )  # fmt: skip

    def _measured(
        self, node: Node, spec: PipelineSpec, call: Callable[[], Value], bench: Bench
    ) -> Ran:
        began = time.perf_counter()
        first = 0.0
        for number in range(bench.warmup):
            call()
            first = first if number else time.perf_counter() - began
        memory = self._pipelines.memory()
        self._pipelines.peak_memory_bytes()
        repeats, joules = [], self._pipelines.joules()
        for _ in range(bench.repeats):
            started = time.perf_counter()
            value = call()
            repeats.append(time.perf_counter() - started)
        each = joules_each(joules, self._pipelines.joules(), repeats)
        self._pipelines.check_used(spec)
        self._called.add(spec)
        peak, graphs = self._pipelines.peak_memory_bytes(), self._pipelines.graphs(spec)
        return Ran(
            value,
            statistics.median(repeats),
            False,
            peak,
            tuple(repeats),
            graphs,
            self._pipelines.pop_compiled(node, first or repeats[0]),
            memory,
            each,
            self._weights_mb.get(spec),
        )


def _failed(node: Node, error: Exception, advice: str = "") -> StageError:
    said = f"{type(error).__name__}: {error}{advice}"
    return StageError(f"{node.stage} failed ({node.label}): {said}")


def is_out_of_memory(error: Exception) -> bool:
    """Whether an accelerator ran out of memory: torch's class, known without importing torch."""
    named = any(base.__name__ == "OutOfMemoryError" for base in type(error).__mro__)
    return named or "MPS backend out of memory" in str(error)


def is_machine_out_of_memory(error: Exception) -> bool:
    """Whether the machine's own memory, or this process's limit of it, did not suffice: offload
    would take more of it.
    """
    said = str(error)
    return isinstance(error, MemoryError) or any(words in said for words in SAID_WITHOUT_MEMORY)
