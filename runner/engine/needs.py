"""Which nodes of a graph are needed, and how often their results are used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runner.engine.store import Store
from runner.graph.graph import Graph
from runner.graph.node import Node
from runner.graph.stage_table import STAGES, ResultKind


def needed_and_missing(graph: Graph, store: Store) -> tuple[set[str], set[str]]:
    """Keys of the needed nodes, and of those of them that have no stored result.

    Needed are the targets, and the inputs of every needed node that has no stored result.
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


def count_uses(
    graph: Graph, needed: set[str], pictures: Iterable[Mapping[str, Node]]
) -> dict[str, int]:
    """Node key -> how often its result is used: as an input, or shown beside an image."""
    counts = dict.fromkeys(needed, 0)
    takers = [node.inputs for node in graph if node.key in needed]
    for used in (*takers, *pictures):
        for node in used.values():
            if node.key in counts:
                counts[node.key] += 1
    return counts


def is_image(node: Node) -> bool:
    """Whether its result is a picture."""
    return STAGES[node.stage].result is ResultKind.image


def pictures_of(node: Node) -> dict[str, Node]:
    """The pictures that an image is made from, by their names in `Node.ancestors`."""
    return {name: needed for name, needed in node.ancestors().items() if is_image(needed)}
