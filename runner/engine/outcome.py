"""How the nodes of a graph ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from runner.errors import RunnerError
from runner.graph.node import Node


@dataclass
class Outcome:
    """The state of a graph's nodes, by key. Nodes that were not needed are in none of the sets."""

    finished: set[str] = field(default_factory=set)
    failed: dict[str, RunnerError] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)

    @property
    def succeeded(self) -> bool:
        """Whether every node has its result."""
        return not self.failed and not self.blocked

    def is_over(self, node: Node) -> bool:
        """Whether a node has finished, failed or is blocked."""
        return node.key in self.finished or self.is_lost(node)

    def is_lost(self, node: Node) -> bool:
        """Whether a node has failed or is blocked."""
        return node.key in self.failed or node.key in self.blocked
