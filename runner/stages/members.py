"""The members of a batch: each one's own values, as its stage would get them alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from runner.graph.node import Node
from runner.graph.stage_table import MEMBER
from runner.graph.values import Value


@dataclass(frozen=True)
class Member:
    """One of the nodes that a batch stands for.

    Attributes:
        node: as far as the batch's node tells: its parameters and its inputs.
        inputs: the inputs' values.
    """

    node: Node
    inputs: Mapping[str, Value]


def members_of(node: Node, inputs: Mapping[str, Value]) -> list[Member]:
    """The members of a batch's node, in its order; see `runner.engine.batching.batch_of`."""
    told = node.params[MEMBER]
    assert isinstance(told, list)
    shared = {name: value for name, value in node.params.items() if name != MEMBER}
    found = []
    for number, own in enumerate(told):
        assert isinstance(own, dict)
        prefix = f"{number}."
        nodes = {
            name.removeprefix(prefix): needed
            for name, needed in node.inputs.items()
            if name.startswith(prefix)
        }
        values = {name: inputs[f"{prefix}{name}"] for name in nodes}
        found.append(Member(replace(node, params={**shared, **own}, inputs=nodes), values))
    return found
