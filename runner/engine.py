"""Runs a graph: looks into the store, has workers run what is missing, tells its observers.

Knows nothing of Hydra, MLflow or any one pipeline. A failed node fails only what needs it.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

from runner.batches import Batch, batch_of, group_of
from runner.config.run_config import Bench
from runner.encoding import Made, decoded, taken_apart
from runner.errors import RunnerError, StorageError
from runner.events import Loaded, NodeResult, Observer, Observers
from runner.graph import Graph, Node, PipelineSpec
from runner.stage_runner import PipelineSource, Ran, StageRunner
from runner.stages import STAGES, ResultKind
from runner.store import Store


class Workers(Protocol):
    """Run nodes: this process itself (`Here`), or others."""

    def has_idle(self) -> bool:
        """Whether one of them would begin at once."""
        ...

    def submit(self, node: Node, inputs: Mapping[str, Made]) -> None:
        """Have an idle one run a node."""
        ...

    def wait(self) -> tuple[Node, Ran | RunnerError] | None:
        """The next node that is done: what it made, or why it failed. None: not yet; look again
        whether one is idle.
        """
        ...

    def keep(self, specs: Collection[PipelineSpec]) -> None:
        """Only these pipelines are still needed."""
        ...

    def close(self) -> None:
        """Let go of all; what is still running is given up."""
        ...


OpenWorkers: TypeAlias = "Callable[[Sequence[Node], Observer], Workers]"
"""Gives workers for nodes, which tell an observer what happens while one runs."""


def in_process(
    open_pipelines: Callable[[], PipelineSource], bench: Bench | None = None
) -> OpenWorkers:
    """This process as the only worker; pipelines are opened when a node needs one."""
    return lambda _, observer: Here(open_pipelines, observer, bench)


class Here:
    """Runs a node at once, in this process."""

    def __init__(
        self,
        open_pipelines: Callable[[], PipelineSource],
        observer: Observer,
        bench: Bench | None = None,
    ) -> None:
        self._runner = StageRunner(open_pipelines, observer, bench)
        self._done: list[tuple[Node, Ran | RunnerError]] = []

    def has_idle(self) -> bool:
        return not self._done

    def submit(self, node: Node, inputs: Mapping[str, Made]) -> None:
        try:
            ran = self._runner.run(node, {name: decoded(made) for name, made in inputs.items()})
        except RunnerError as error:
            self._done.append((node, error))
        else:
            self._done.append((node, ran))

    def wait(self) -> tuple[Node, Ran | RunnerError]:
        return self._done.pop()

    def keep(self, specs: Collection[PipelineSpec]) -> None:
        self._runner.keep(specs)

    def close(self) -> None:
        """Nothing runs outside of `submit`."""


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

    def is_over(self, node: Node) -> bool:
        """Whether a node is done, for good or bad."""
        return node.key in self.finished or self.is_lost(node)

    def is_lost(self, node: Node) -> bool:
        """Whether there will be no result."""
        return node.key in self.failed or node.key in self.blocked


class Engine:
    """Executes graphs.

    Args:
        open_workers: called when the first node must be run, so that a graph whose results are all
            stored imports no torch and starts no process.
        store: where results are looked up and kept.
        observers: told in this order. What they raise ends the run.
        between: called before each node; what it raises ends the run, after the nodes in hand.
        batch_size: how many nodes that may be run together are.
    """

    def __init__(
        self,
        open_workers: OpenWorkers,
        store: Store,
        observers: Sequence[Observer],
        between: Callable[[], None] = lambda: None,
        batch_size: int = 1,
    ) -> None:
        self._open_workers = open_workers
        self._store = store
        self._observers = Observers(observers)
        self._between = between
        self._batch_size = batch_size

    def execute(self, graph: Graph) -> Outcome:
        """Run all nodes that are needed and have no stored result, in the graph's order."""
        run = _GraphRun(
            graph,
            self._open_workers,
            self._store,
            self._observers,
            self._between,
            self._batch_size,
        )
        return run.execute()


class _GraphRun:
    """One graph on its way."""

    def __init__(
        self,
        graph: Graph,
        open_workers: OpenWorkers,
        store: Store,
        observers: Observers,
        between: Callable[[], None],
        batch_size: int,
    ) -> None:
        self._store = store
        self._batch_size = batch_size
        self._batches: dict[str, Batch] = {}
        self._alone: set[str] = set()
        self._observers = observers
        self._open_workers = open_workers
        self._between = between
        self._outcome = Outcome()
        needed, to_run = _needed(graph, store)
        order = graph.in_order()
        self._rank = {node.key: rank for rank, node in enumerate(order)}
        self._order = order
        self._targets = {node.key for node in graph.targets}
        self._nodes = [node for node in order if node.key in needed]
        self._to_run = {node.key: node for node in self._nodes if node.key in to_run}
        self._open_uses = _uses(graph, needed)
        self._open_runs = Counter(node.pipeline for node in self._to_run.values())
        self._waiting: dict[str, int] = {}
        self._dependents: defaultdict[str, list[Node]] = defaultdict(list)
        self._ready: list[int] = []
        self._pending: set[str] = set()
        self._running: set[str] = set()
        self._workers: Workers | None = None

    def execute(self) -> Outcome:
        self._observers.graph_started(len(self._nodes))
        for node in self._nodes:
            self._schedule(node, [n for n in node.inputs.values() if n.key in self._open_uses])
        try:
            while self._ready or self._running:
                if not self._advance():
                    self._take(self._at_work.wait())
        finally:
            if self._workers is not None:
                self._workers.close()
        return self._outcome

    def _schedule(self, node: Node, after: Sequence[Node]) -> None:
        self._pending.add(node.key)
        open_inputs = {n.key: n for n in after if not self._outcome.is_over(n)}
        self._waiting[node.key] = len(open_inputs)
        for key in open_inputs:
            self._dependents[key].append(node)
        if not open_inputs:
            heapq.heappush(self._ready, self._rank[node.key])

    def _advance(self) -> bool:
        """Do what can be done with the next node. False where a worker has to be waited for."""
        if not self._ready:
            return False
        node = self._order[self._ready[0]]
        try:
            self._between()
        except BaseException:
            self._finish_running()
            raise
        lost = next((n for n in node.inputs.values() if self._outcome.is_lost(n)), None)
        if lost is not None:
            heapq.heappop(self._ready)
            self._outcome.blocked.add(node.key)
            self._observers.node_blocked(node, lost)
            self._over(node)
            return True
        started = time.perf_counter()
        stored = self._store.made(node)
        if stored is not None:
            heapq.heappop(self._ready)
            seconds = time.perf_counter() - started
            self._finished(
                NodeResult(node, stored, reused=True, seconds=seconds, took=self._took(node))
            )
            return True
        inputs = {name: self._store.made(needed) for name, needed in node.inputs.items()}
        if None in inputs.values():
            # Only where this node's own entry turned out to be damaged: nobody else needed them.
            heapq.heappop(self._ready)
            self._make_first([node.inputs[name] for name, made in inputs.items() if made is None])
            self._schedule(node, list(node.inputs.values()))
            return True
        if not self._at_work.has_idle():
            return False
        heapq.heappop(self._ready)
        together = self._together_with(node)
        work = node
        if len(together) > 1:
            batch = batch_of(together)
            work = batch.node
            self._batches[work.key] = batch
            inputs = {name: self._store.made(needed) for name, needed in work.inputs.items()}
        self._running.add(work.key)
        self._at_work.submit(work, {k: made for k, made in inputs.items() if made is not None})
        return True

    def _together_with(self, node: Node) -> list[Node]:
        """A node and others that are ready and may be run with it; they are no longer waiting."""
        found = [node]
        group = group_of(node) if self._batch_size > 1 and node.key not in self._alone else None
        if group is None:
            return found
        for rank in sorted(self._ready):
            other = self._order[rank]
            if len(found) == self._batch_size:
                break
            if (
                other.key not in self._alone
                and group_of(other) == group
                and not self._store.holds(other)
                and all(self._store.made(needed) is not None for needed in other.inputs.values())
            ):
                found.append(other)
        taken = {self._rank[member.key] for member in found}
        self._ready = [rank for rank in self._ready if rank not in taken]
        heapq.heapify(self._ready)
        return found

    def _make_first(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._open_uses[node.key] = self._open_uses.get(node.key, 0) + 1
            if node.key not in self._pending:
                self._outcome.finished.discard(node.key)
                self._schedule(node, [])

    @property
    def _at_work(self) -> Workers:
        if self._workers is None:
            observer = _Unbatched(self._observers, self._batches)
            self._workers = self._open_workers(list(self._to_run.values()), observer)
        return self._workers

    def _finish_running(self) -> None:
        """Take what is running when nothing more is to be begun."""
        while self._running:
            self._take(self._at_work.wait())

    def _take(self, ended: tuple[Node, Ran | RunnerError] | None) -> None:
        if ended is None:
            return
        node, done = ended
        self._running.discard(node.key)
        if isinstance(done, StorageError):
            raise done  # the next node's result would have no room either
        batch = self._batches.pop(node.key, None)
        if batch is not None:
            self._take_batch(batch, done)
        else:
            self._take_one(node, done)

    def _take_batch(self, batch: Batch, done: Ran | RunnerError) -> None:
        if isinstance(done, RunnerError):
            # Whose fault it was is found out by running each by itself.
            for member in batch.members:
                self._alone.add(member.key)
                heapq.heappush(self._ready, self._rank[member.key])
            return
        share = len(batch.members)
        for number, (member, made) in enumerate(
            zip(batch.members, taken_apart(done.made), strict=True)
        ):
            own = replace(
                done,
                made=made,
                seconds=done.seconds / share,
                first_call=done.first_call and number == 0,
                repeats=tuple(seconds / share for seconds in done.repeats),
            )
            self._take_one(member, own)

    def _take_one(self, node: Node, done: Ran | RunnerError) -> None:
        if isinstance(done, RunnerError):
            self._outcome.failed[node.key] = done
            self._observers.node_failed(node, done)
            self._over(node)
            return
        self._store.put(node, done.made, done.seconds)
        self._finished(
            NodeResult(
                node,
                done.made,
                reused=False,
                seconds=done.seconds,
                first_call=done.first_call,
                peak_memory_bytes=done.peak_memory_bytes,
                took=self._took(node),
                repeats=done.repeats,
            )
        )

    def _took(self, node: Node) -> dict[str, float]:
        if node.key not in self._targets or STAGES[node.stage].result is not ResultKind.image:
            return {}
        found = {name: self._store.seconds(n) for name, n in node.lineage().items()}
        return {name: seconds for name, seconds in found.items() if seconds is not None}

    def _finished(self, result: NodeResult) -> None:
        self._outcome.finished.add(result.node.key)
        self._observers.node_finished(result)
        self._over(result.node)

    def _over(self, node: Node) -> None:
        self._pending.discard(node.key)
        for dependent in self._dependents.pop(node.key, ()):
            self._waiting[dependent.key] -= 1
            if not self._waiting[dependent.key]:
                heapq.heappush(self._ready, self._rank[dependent.key])
        self._release_results(node)
        if node.key in self._to_run:
            self._open_runs[node.pipeline] -= 1
            if not self._open_runs[node.pipeline] and self._workers is not None:
                self._workers.keep(
                    {spec for spec, runs in self._open_runs.items() if spec and runs}
                )

    def _release_results(self, node: Node) -> None:
        """Results that nobody needs any more leave memory: a sweep's do not add up."""
        for needed in node.inputs.values():
            if needed.key in self._open_uses:
                self._open_uses[needed.key] -= 1
        for used in (node, *node.inputs.values()):
            if self._open_uses.get(used.key, 0) <= 0:
                self._store.forget(used)


class _Unbatched(Observer):
    """What happens to a batch happens to each of its members."""

    def __init__(self, observers: Observers, batches: Mapping[str, Batch]) -> None:
        self._observers = observers
        self._batches = batches

    def workers_begun(self, workers: int, how: str) -> None:
        self._observers.workers_begun(workers, how)

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self._observers.pipeline_loaded(loaded)

    def node_started(self, node: Node) -> None:
        for member in self._members(node):
            self._observers.node_started(member)

    def memory_relieved(self, node: Node, how: str) -> None:
        for member in self._members(node):
            self._observers.memory_relieved(member, how)

    def node_step(self, node: Node, step: int, steps: int) -> None:
        self._observers.node_step(self._members(node)[0], step, steps)

    def _members(self, node: Node) -> Sequence[Node]:
        batch = self._batches.get(node.key)
        return batch.members if batch is not None else (node,)


def _needed(graph: Graph, store: Store) -> tuple[set[str], set[str]]:
    """Keys of the targets and of the inputs of what the store does not hold; and of those that it
    does not hold.
    """
    needed: set[str] = set()
    to_run: set[str] = set()
    waiting = list(graph.targets)
    while waiting:
        node = waiting.pop()
        if node.key not in needed:
            needed.add(node.key)
            if not store.holds(node):
                to_run.add(node.key)
                waiting.extend(node.inputs.values())
    return needed, to_run


def _uses(graph: Graph, needed: set[str]) -> dict[str, int]:
    """How many needed nodes take each needed node's result."""
    counts = dict.fromkeys(needed, 0)
    for node in graph:
        if node.key in needed:
            for required in node.inputs.values():
                if required.key in counts:
                    counts[required.key] += 1
    return counts
