"""Batches: which ready nodes are run together, batches in flight, nodes excluded after a failure.

A batch is itself a node, of a stage that runs many at once, so workers need no special case. Its
result is split: the members' results are stored, the batch's own never is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from runner.engine.batch_sizes import BatchSizes
from runner.engine.observer import Loaded, Observer, Ran
from runner.engine.results import split_batch
from runner.errors import BatchTooLargeError, RunnerError
from runner.graph.node import Node, Plain
from runner.graph.stage_table import BATCHED, BATCHED_PARAM, MEMBER, STAGES


@dataclass(frozen=True)
class Batch:
    """Several nodes, and the node that is run in their place."""

    members: tuple[Node, ...]
    node: Node


def group_of(node: Node) -> str | None:
    """What the nodes of a batch have in common; None for a node that is always run alone."""
    if node.stage not in BATCHED or not node.params.get(BATCHED_PARAM):
        return None
    how = BATCHED[node.stage]
    shared = {name: value for name, value in node.params.items() if name not in how.own}
    also = node.params[BATCHED_PARAM]
    apart = set(how.own_inputs) - set(also if isinstance(also, list) else ())
    inputs = {name: None if name in apart else needed.key for name, needed in node.inputs.items()}
    return json.dumps([node.stage, str(node.pipeline), shared, inputs], sort_keys=True)


def batch_of(members: Sequence[Node]) -> Batch:
    """The batch of nodes of one group. Its node has all their inputs: "3.prior" of the fourth."""
    first = members[0]
    how = BATCHED[first.stage]
    stage = STAGES[how.stage]
    names = [name for name in how.own if name in first.params]
    own: list[Plain] = [{name: node.params[name] for name in names} for node in members]
    shared = {name: value for name, value in first.params.items() if name not in names}
    node = Node(
        stage=stage.name,
        stage_version=stage.version,
        params={**shared, MEMBER: own},
        inputs={
            f"{number}.{name}": needed
            for number, member in enumerate(members)
            for name, needed in member.inputs.items()
        },
        pipeline=first.pipeline,
        libraries=first.libraries,
        label=f"{len(members)} at once: {first.label}",
    )
    return Batch(tuple(members), node)


class Batching:
    """Forms batches and splits them again.

    Args:
        sizes: how many nodes a batch has.

    Attributes:
        workers: how many run nodes.
    """

    def __init__(self, sizes: BatchSizes) -> None:
        self.workers = 1
        self._sizes = sizes
        self._groups: dict[str, str | None] = {}
        self._alone: set[str] = set()
        self._in_hand: dict[str, Batch] = {}

    def fill(
        self, node: Node, waiting: Iterable[Node], can_run: Callable[[Node], bool]
    ) -> list[Node]:
        """The node, and the first waiting nodes that can be run in one batch with it."""
        found = [node]
        group = self._group(node)
        if group is None:
            return found
        size = self._sizes.size(node)
        calls = max(2, self.workers) if self._sizes.fills else 1
        for other in waiting:
            if len(found) == size * calls:
                break
            if self._group(other) == group and can_run(other):
                found.append(other)
        if self._sizes.fills:
            # Alike calls, one for each worker: no worker waits, and no shape is used but once.
            shared = max(-(-len(found) // size), min(self.workers, len(found)))
            size = -(-len(found) // shared)
        return found[:size]

    def is_full(self, members: Sequence[Node]) -> bool:
        """Whether no further node could be run in one batch with these."""
        if self._group(members[0]) is None:
            return True
        size = self._sizes.size(members[0])
        # An even share of what is ready is less than the size; it waits only if it may double.
        return len(members) > size // 2 if self._sizes.fills else len(members) == size

    def begin(self, members: Sequence[Node]) -> Node:
        """The node to run for these members; `end` takes it back."""
        if len(members) == 1:
            return members[0]
        batch = batch_of(members)
        self._in_hand[batch.node.key] = batch
        return batch.node

    def end(self, node: Node, done: Ran | RunnerError) -> Batch | None:
        """The batch that a node was run for; None where it was run alone. What it took decides the
        size of the next.
        """
        members = self.members_of(node)
        if isinstance(done, Ran) and self._group(members[0]) is not None:
            self._sizes.learn(members[0], len(members), done)
        return self._in_hand.pop(node.key, None)

    def divide(self, batch: Batch, error: RunnerError, observer: Observer) -> None:
        """After a batch failed: have its nodes run in smaller batches, or alone, which shows which
        of them fails.
        """
        count = len(batch.members)
        if not isinstance(error, BatchTooLargeError):
            self._alone.update(member.key for member in batch.members)
            return
        size = self._sizes.halve(batch.members[0], count)
        for member in batch.members:
            told = f"out of memory with {count} at once: going on with {size}"
            observer.memory_relieved(member, told)

    def members_of(self, node: Node) -> Sequence[Node]:
        """The nodes that a node is run for."""
        batch = self._in_hand.get(node.key)
        return batch.members if batch is not None else (node,)

    def unbatched(self, observer: Observer) -> Observer:
        """An observer that passes events of batches on as events of their members."""
        return _Unbatched(observer, self)

    def _group(self, node: Node) -> str | None:
        if node.key in self._alone:
            return None
        if node.key not in self._groups:
            self._groups[node.key] = group_of(node)
        return self._groups[node.key]


def split_result(batch: Batch, ran: Ran) -> Iterator[tuple[Node, Ran]]:
    """Each member with its own result; the seconds and joules of the batch are divided evenly."""
    count = len(batch.members)
    made = split_batch(ran.made)
    for number, (member, own) in enumerate(zip(batch.members, made, strict=True)):
        yield (
            member,
            replace(
                ran,
                made=own,
                seconds=ran.seconds / count,
                first_call=ran.first_call and number == 0,
                compiled=None if number else ran.compiled,
                repeats=tuple(seconds / count for seconds in ran.repeats),
                together=count,
                joules=None if ran.joules is None else ran.joules / count,
            ),
        )


class _Unbatched(Observer):
    """Passes events of a batch on as events of its members; steps as those of the first."""

    def __init__(self, observer: Observer, batching: Batching) -> None:
        self._observer = observer
        self._batching = batching

    def workers_begun(self, workers: int, how: str) -> None:
        self._batching.workers = workers
        self._observer.workers_begun(workers, how)

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self._observer.pipeline_loaded(loaded)

    def node_started(self, node: Node) -> None:
        for member in self._members(node):
            self._observer.node_started(member)

    def memory_relieved(self, node: Node, how: str) -> None:
        for member in self._members(node):
            self._observer.memory_relieved(member, how)

    def worker_died(self, node: Node, how: str) -> None:
        for member in self._members(node):
            self._observer.worker_died(member, how)

    def node_step(self, node: Node, step: int, steps: int) -> None:
        self._observer.node_step(self._members(node)[0], step, steps)

    def _members(self, node: Node) -> Sequence[Node]:
        return self._batching.members_of(node)
