"""How many nodes a batch has: as asked, or as many as the device's memory holds.

The first batch of a kind is reckoned. What it took, beside what was held before, tells how many
fit. That is never too many by this measure: what a call takes grows at most with its images. Other
reasons are left to the last resort, which halves a batch that ran out of memory.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from runner.engine.observer import Ran
from runner.graph.node import Node

FIRST = 8
"""Nodes in the first batch of a kind of which nothing is reckoned, such as priors."""
MOST = 64
"""Larger batches save nothing more, and a kill loses the one that runs."""
SHARE = 0.85
"""Of the memory: the rest is for what lies scattered, and for the libraries' own buffers."""
GAIN = 0.97
"""A size is kept if twice as many do not bring a node below this share of its seconds."""

Reckon = Callable[[Node], int | None]
"""How many nodes like this one fit, by reckoning; None: not known."""


class BatchSizes:
    """The size of the next batch of each kind of node.

    Args:
        most: nodes in a batch, at most; None: as many as fit.
        reckon: asked before the first batch of a kind, if `most` is None.
    """

    def __init__(self, most: int | None, reckon: Reckon = lambda _: None) -> None:
        self.fills = most is None
        self._most = MOST if most is None else most
        self._reckon = reckon
        self._first: dict[str, int] = {}
        self._fit: dict[str, int] = {}
        self._limit: dict[str, int] = {}
        self._seconds: defaultdict[str, dict[int, float]] = defaultdict(dict)

    def size(self, node: Node) -> int:
        """How many nodes a batch with this one has, at most."""
        if self._most == 1:
            return 1
        kind = _kind(node)
        size = min(self._most, self._limit.get(kind, self._most))
        if self.fills:
            size = min(size, self._fitting(kind, node), self._fast(kind))
        return max(1, size)

    def learn(self, node: Node, count: int, ran: Ran) -> None:
        """Take in what a batch of so many nodes like this one took."""
        if not self.fills:
            return
        kind = _kind(node)
        if not ran.first_call:
            self._seconds[kind][count] = ran.seconds / count
        if ran.peak_memory_bytes is not None and ran.memory is not None:
            held, room = ran.memory
            each = max(1.0, (ran.peak_memory_bytes - held) / count)
            self._fit[kind] = max(1, int((SHARE * room - held) / each))

    def halve(self, node: Node, count: int) -> int:
        """After a batch of so many nodes like this one ran out of memory: the size from now on."""
        kind = _kind(node)
        # Another one may have been on its way to a worker when the first failed.
        half = self._limit[kind] = max(1, min(count // 2, self._limit.get(kind, count)))
        return half

    def _fitting(self, kind: str, node: Node) -> int:
        if kind in self._fit:
            return self._fit[kind]
        if kind not in self._first:
            self._first[kind] = self._reckon(node) or FIRST
        return self._first[kind]

    def _fast(self, kind: str) -> int:
        """The size from which on a node takes no less time."""
        each = self._seconds[kind]
        for size in sorted(each):
            if any(each[more] > GAIN * each[size] for more in each if more >= 2 * size):
                return size
        return self._most


def _kind(node: Node) -> str:
    """What decides a node's memory: its stage, models and size, and whether it is guided."""
    spec = node.pipeline and replace(node.pipeline, scheduler=None)
    scale = node.params.get("guidance_scale")
    guided = isinstance(scale, int | float) and scale > 1
    size = (node.params.get("height"), node.params.get("width"))
    return json.dumps([node.stage, str(spec), *size, guided])
