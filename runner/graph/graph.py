"""The graph of nodes: merging, running order, and its export as Mermaid and JSON."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter

from runner.graph.node import Node, PipelineSpec, Plain


class Graph:
    """Distinct nodes: equal keys are one node, so merging graphs shares their work.

    Args:
        targets: the nodes whose results are wanted; their ancestors are added.
    """

    def __init__(self, targets: Iterable[Node]) -> None:
        self.targets: tuple[Node, ...] = tuple(dict.fromkeys(targets))
        self._nodes: dict[str, Node] = {}
        for target in self.targets:
            self._add(target)

    def _add(self, node: Node) -> None:
        if node.key in self._nodes:
            return
        for needed in node.inputs.values():
            self._add(needed)
        self._nodes[node.key] = node

    def __repr__(self) -> str:
        stages = Counter(node.stage for node in self)
        return f"Graph({', '.join(f'{stage}: {count}' for stage, count in stages.items())})"

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def __contains__(self, key: object) -> bool:
        return key in self._nodes

    def __getitem__(self, key: str) -> Node:
        return self._nodes[key]

    def merged(self, *others: Graph) -> Graph:
        """This graph and the others as one, in which equal nodes are one."""
        return Graph(target for graph in (self, *others) for target in graph.targets)

    def in_order(self) -> list[Node]:
        """The nodes in running order: inputs first, and of the nodes that are ready all of one
        pipeline before those of the next, so that each model is loaded once.
        """
        nodes = list(self)
        rank = {node.key: position for position, node in enumerate(nodes)}
        sorter = TopologicalSorter(
            {
                rank[node.key]: [rank[needed.key] for needed in node.inputs.values()]
                for node in nodes
            }
        )
        sorter.prepare()
        ordered: list[Node] = []
        ready: defaultdict[PipelineSpec | None, list[int]] = defaultdict(list)
        current: PipelineSpec | None = None
        while sorter.is_active():
            for position in sorter.get_ready():
                ready[nodes[position].pipeline].append(position)
            if current not in ready:
                current = min(ready, key=lambda spec: min(ready[spec]))
            batch = sorted(ready.pop(current))
            ordered.extend(nodes[position] for position in batch)
            sorter.done(*batch)
        return ordered

    def as_mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        lines = ["flowchart LR"]
        for node in self:
            text = f"{node.stage}<br/>{node.label}" if node.label else node.stage
            lines.append(f'  {node.key[:8]}["{_mermaid_text(text)}"]')
        for node in self:
            for name, needed in node.inputs.items():
                lines.append(f"  {needed.key[:8]} -->|{name}| {node.key[:8]}")
        return "\n".join(lines) + "\n"

    def as_records(self) -> list[dict[str, Plain]]:
        """The graph as plain values, in the order of running, for JSON."""
        return [
            {
                "key": node.key,
                "stage": node.stage,
                "label": node.label,
                "params": dict(node.params),
                "pipeline": json.loads(json.dumps(node.pipeline_identity)),
                "inputs": {name: needed.key for name, needed in node.inputs.items()},
                "files": {name: str(path) for name, path in node.files.items()},
            }
            for node in self.in_order()
        ]


def _mermaid_text(text: str) -> str:
    return text.replace('"', "#quot;").replace("\n", " ")
