"""Alike nodes as one call: which go together, and the node that stands for them.

A batch is itself a node, of the stage that runs many at once, so workers know nothing of it; its
result is taken apart again. It is never stored, its members are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from runner.graph.graph import Node, Plain
from runner.graph.stage_names import BATCHED_PARAM, MEMBER
from runner.graph.stage_table import BATCHED, STAGES

OWN = ("seed",)
"""Parameters in which members may differ."""


@dataclass(frozen=True)
class Batch:
    """Several nodes, and the one that stands for them."""

    members: tuple[Node, ...]
    node: Node


def group_of(node: Node) -> str | None:
    """What nodes of one batch have in common; None where a node is always run by itself."""
    if node.stage not in BATCHED or not node.params.get(BATCHED_PARAM):
        return None
    shared = {name: value for name, value in node.params.items() if name not in OWN}
    return json.dumps([node.stage, str(node.pipeline), shared, sorted(node.inputs)], sort_keys=True)


def batch_of(members: Sequence[Node]) -> Batch:
    """Members of one group as one node: its inputs are theirs, "3.prior" that of the fourth."""
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
