"""Runs a graph: looks results up in the store, has workers run the rest, notifies observers.

Knows nothing of Hydra, MLflow or any single pipeline. A failed node fails only its dependents.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from runner.engine.batch_sizes import BatchSizes
from runner.engine.batching import Batch, Batching, split_result
from runner.engine.needs import count_uses, is_image, needed_and_missing, pictures_of
from runner.engine.observer import NodeResult, Observer, Observers, Ran
from runner.engine.outcome import Outcome
from runner.engine.results import encode
from runner.engine.store import Store
from runner.engine.workers import OpenWorkers, Workers
from runner.errors import RunnerError, StageError, StorageError
from runner.graph.graph import Graph
from runner.graph.node import Node
from runner.graph.stage_table import STAGES, is_external

T = TypeVar("T")


def execute(
    graph: Graph,
    open_workers: OpenWorkers,
    store: Store,
    observers: Sequence[Observer],
    *,
    between: Callable[[], None] = lambda: None,
    batch_sizes: BatchSizes | None = None,
) -> Outcome:
    """Run all nodes that are needed and have no stored result, in the graph's order.

    Args:
        open_workers: called when the first node must be run, so that a graph whose results are all
            stored imports no torch and starts no process.
        store: where results are looked up and kept.
        observers: notified in this order. An exception in one ends the run.
        between: called before each node. An exception in it ends the run, once the running nodes
            are done.
        batch_sizes: how many nodes are run together; None: each alone.
    """
    return _GraphRun(
        graph, open_workers, store, Observers(observers), between, batch_sizes or BatchSizes(1)
    ).execute()


class _GraphRun:
    """The state of one graph's execution."""

    def __init__(
        self,
        graph: Graph,
        open_workers: OpenWorkers,
        store: Store,
        observers: Observers,
        between: Callable[[], None],
        batch_sizes: BatchSizes,
    ) -> None:
        self._store = store
        self._batching = Batching(batch_sizes)
        self._observers = observers
        self._open_workers = open_workers
        self._between = between
        self._outcome = Outcome()
        needed, to_run = needed_and_missing(graph, store)
        order = graph.in_order()
        self._rank = {node.key: rank for rank, node in enumerate(order)}
        self._order = order
        self._pictures = {t.key: pictures_of(t) for t in graph.targets if is_image(t)}
        self._nodes = [node for node in order if node.key in needed]
        self._to_run = {
            node.key: node for node in self._nodes if node.key in to_run and not is_external(node)
        }
        self._open_uses = count_uses(graph, needed, self._pictures.values())
        self._open_runs = Counter(node.pipeline for node in self._to_run.values())
        self._waiting: dict[str, int] = {}
        self._dependents: defaultdict[str, list[Node]] = defaultdict(list)
        self._ready: list[int] = []
        self._pending: set[str] = set()
        self._running: set[str] = set()
        self._first_calls: dict[str, bool] = {}
        self._workers: Workers | None = None

    def execute(self) -> Outcome:
        self._observers.graph_started(sum(not is_external(node) for node in self._nodes))
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
        """Process the next ready node. False: a running node has to end first."""
        if not self._ready:
            if self._workers is not None and self._workers.has_waiting():
                self._stop_if_asked()
            return False
        node = self._order[self._ready[0]]
        self._stop_if_asked()
        lost = next((n for n in node.inputs.values() if self._outcome.is_lost(n)), None)
        if lost is not None:
            heapq.heappop(self._ready)
            self._outcome.blocked.add(node.key)
            self._observers.node_blocked(node, lost)
            self._over(node)
            return True
        if is_external(node):
            heapq.heappop(self._ready)
            self._take_external(node)
            return True
        started = time.perf_counter()
        stored = self._store.read(node)
        if stored is not None:
            heapq.heappop(self._ready)
            looked_up = Ran(stored, time.perf_counter() - started)
            self._finished(NodeResult(node, looked_up, reused=True))
            return True
        inputs = {name: self._store.read(needed) for name, needed in node.inputs.items()}
        if None in inputs.values():
            # Only where this node's stored entry is damaged: otherwise its inputs were not needed.
            heapq.heappop(self._ready)
            self._make_first([node.inputs[name] for name, made in inputs.items() if made is None])
            self._schedule(node, list(node.inputs.values()))
            return True
        is_idle = self._at_work.has_idle()  # first: a batch leaves something for every worker
        if not (is_idle or self._at_work.takes_next(node, len(self._ready))):
            return False  # nor a batch with it; this is asked with each message of a worker
        members = self._batching.fill(node, self._behind_first(), self._can_run)
        if not (is_idle or self._can_wait(members)):
            return False
        self._take_from_line(members)
        work = self._batching.begin(members)
        if work is not node:
            inputs = {name: self._store.read(needed) for name, needed in work.inputs.items()}
        self._running.add(work.key)
        self._at_work.submit(work, {k: made for k, made in inputs.items() if made is not None})
        return True

    def _stop_if_asked(self) -> None:
        """Before another stage begins."""
        try:
            self._between()
        except BaseException:
            self._finish_running()
            raise

    def _take_external(self, node: Node) -> None:
        """Finish an external node. Nothing was run, so observers hear only of a missing result."""
        if self._store.read(node) is None:
            problem = f"the cell to compare with has not drawn its picture of {node.label}"
            self._take_one(node, StageError(problem))
            return
        self._outcome.finished.add(node.key)
        self._over(node)

    def _can_wait(self, members: Sequence[Node]) -> bool:
        """Whether nodes can be given to a busy worker; no batch that may still grow."""
        full = self._batching.is_full(members)
        return full and self._at_work.takes_next(members[0], len(self._ready) // len(members))

    def _take_from_line(self, members: Sequence[Node]) -> None:
        heapq.heappop(self._ready)
        if len(members) > 1:
            taken = {self._rank[member.key] for member in members}
            self._ready = [rank for rank in self._ready if rank not in taken]
            heapq.heapify(self._ready)

    def _behind_first(self) -> Iterator[Node]:
        for rank in sorted(self._ready)[1:]:
            yield self._order[rank]

    def _can_run(self, node: Node) -> bool:
        return not self._store.holds(node) and all(
            self._store.read(needed) is not None for needed in node.inputs.values()
        )

    def _make_first(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._open_uses[node.key] = self._open_uses.get(node.key, 0) + 1
            if node.key not in self._pending:
                self._outcome.finished.discard(node.key)
                self._schedule(node, [])

    @property
    def _at_work(self) -> Workers:
        if self._workers is None:
            observer = self._batching.unbatched(self._observers)
            self._workers = self._open_workers(list(self._to_run.values()), observer)
        return self._workers

    def _finish_running(self) -> None:
        """Wait for the running nodes; start no others."""
        if self._workers is not None:
            self._workers.recall()
        while self._running:
            self._take(self._at_work.wait())

    def _take(self, ended: tuple[Node, Ran | RunnerError | None] | None) -> None:
        if ended is None:
            return
        node, done = ended
        self._running.discard(node.key)
        if done is None:
            return
        if isinstance(done, StorageError):
            raise done  # the next node's result could not be stored either
        batch = self._batching.end(node, done)
        if batch is not None:
            self._take_batch(batch, done)
        else:
            self._take_one(node, done)

    def _take_batch(self, batch: Batch, done: Ran | RunnerError) -> None:
        if isinstance(done, RunnerError):
            self._batching.divide(batch, done, self._observers)
            for member in batch.members:
                heapq.heappush(self._ready, self._rank[member.key])
            return
        for member, own in split_result(batch, done):
            self._take_one(member, own)

    def _take_one(self, node: Node, done: Ran | RunnerError) -> None:
        if isinstance(done, RunnerError):
            self._outcome.failed[node.key] = done
            self._observers.node_failed(node, done)
            self._over(node)
            return
        # Here, once: store, files and observers have the same bytes.
        done = replace(done, made=encode(STAGES[node.stage].result, done.made))
        self._store.put(node, done.made, done.seconds, done.weights_mb)
        self._first_calls[node.key] = done.first_call
        self._finished(NodeResult(node, done, reused=False))

    def _finished(self, result: NodeResult) -> None:
        node = result.node
        self._outcome.finished.add(node.key)
        if node.key in self._pictures:
            nodes, pictures = node.lineage().items(), self._pictures[node.key].items()
            result = replace(
                result,
                took=_known({name: self._store.seconds(n) for name, n in nodes}),
                weights_mb=_known({name: self._store.weights_mb(n) for name, n in nodes}),
                first_calls=_known({name: self._first_calls.get(n.key) for name, n in nodes}),
                pictures=_known({name: self._store.read(n) for name, n in pictures}),
            )
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
                self._workers.evict_except(
                    {spec for spec, runs in self._open_runs.items() if spec and runs}
                )

    def _release_results(self, node: Node) -> None:
        """Drop results from memory that no other node needs: those of a sweep must not add up."""
        needed = [*node.inputs.values(), *self._pictures.get(node.key, {}).values()]
        for used in needed:
            if used.key in self._open_uses:
                self._open_uses[used.key] -= 1
        for used in (node, *needed):
            if self._open_uses.get(used.key, 0) <= 0:
                self._store.forget(used)


def _known(found: Mapping[str, T | None]) -> dict[str, T]:
    return {name: one for name, one in found.items() if one is not None}
