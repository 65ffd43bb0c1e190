"""Batches: which ready nodes are run together, batches in flight, nodes excluded after a failure.

A batch is itself a node, of a stage that runs many at once, so workers need no special case. Its
result is split: the members' results are stored, the batch's own never is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from runner.engine.observer import Loaded, Observer, Ran
from runner.engine.results import split_batch
from runner.graph.node import Node, Plain
from runner.graph.stage_table import BATCHED, BATCHED_PARAM, MEMBER, STAGES

OWN = ("seed",)
"""Parameters that may differ between members of a batch."""


@dataclass(frozen=True)
class Batch:
    """Several nodes, and the node that is run in their place."""

    members: tuple[Node, ...]
    node: Node


def group_of(node: Node) -> str | None:
    """What the nodes of a batch have in common; None for a node that is always run alone."""
    if node.stage not in BATCHED or not node.params.get(BATCHED_PARAM):
        return None
    shared = {name: value for name, value in node.params.items() if name not in OWN}
    return json.dumps([node.stage, str(node.pipeline), shared, sorted(node.inputs)], sort_keys=True)


def batch_of(members: Sequence[Node]) -> Batch:
    """The batch of nodes of one group. Its node has all their inputs: "3.prior" of the fourth."""
    first = members[0]
    stage = STAGES[BATCHED[first.stage]]
    own: list[Plain] = [{name: node.params[name] for name in OWN} for node in members]
    shared = {name: value for name, value in first.params.items() if name not in OWN}
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
        size: nodes in a batch, at most.
    """

    def __init__(self, size: int) -> None:
        self._size = size
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
        for other in waiting:
            if len(found) == self._size:
                break
            if self._group(other) == group and can_run(other):
                found.append(other)
        return found

    def is_full(self, members: Sequence[Node]) -> bool:
        """Whether no further node could be run in one batch with these."""
        return len(members) == self._size or self._group(members[0]) is None

    def begin(self, members: Sequence[Node]) -> Node:
        """The node to run for these members; `end` takes it back."""
        if len(members) == 1:
            return members[0]
        batch = batch_of(members)
        self._in_hand[batch.node.key] = batch
        return batch.node

    def end(self, node: Node) -> Batch | None:
        """The batch that a node was run for; None where it was run alone."""
        return self._in_hand.pop(node.key, None)

    def separate(self, members: Sequence[Node]) -> None:
        """Run each of these nodes alone from now on."""
        self._alone.update(member.key for member in members)

    def unbatched(self, observer: Observer) -> Observer:
        """An observer that passes events of batches on as events of their members."""
        return _Unbatched(observer, self._in_hand)

    def _group(self, node: Node) -> str | None:
        if self._size == 1 or node.key in self._alone:
            return None
        if node.key not in self._groups:
            self._groups[node.key] = group_of(node)
        return self._groups[node.key]


def split_result(batch: Batch, ran: Ran) -> Iterator[tuple[Node, Ran]]:
    """Each member with its own result; the seconds of the batch are divided evenly."""
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
                graphs=None if number else ran.graphs,
                compiled=None if number else ran.compiled,
                repeats=tuple(seconds / count for seconds in ran.repeats),
            ),
        )


class _Unbatched(Observer):
    """Passes events of a batch on as events of its members; steps as those of the first."""

    def __init__(self, observer: Observer, batches: Mapping[str, Batch]) -> None:
        self._observer = observer
        self._batches = batches

    def workers_begun(self, workers: int, how: str) -> None:
        self._observer.workers_begun(workers, how)

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self._observer.pipeline_loaded(loaded)

    def node_started(self, node: Node) -> None:
        for member in self._members(node):
            self._observer.node_started(member)

    def memory_relieved(self, node: Node, how: str) -> None:
        for member in self._members(node):
            self._observer.memory_relieved(member, how)

    def node_step(self, node: Node, step: int, steps: int) -> None:
        self._observer.node_step(self._members(node)[0], step, steps)

    def _members(self, node: Node) -> Sequence[Node]:
        batch = self._batches.get(node.key)
        return batch.members if batch is not None else (node,)
