"""Graphs of a module's calls: a row for each kind of device that has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class GraphKind:
    """How calls are recorded and replayed on one kind of device: the same kernels on the same
    numbers, without the Python code between them.

    Attributes:
        name: of one of them.
        device: the kind of device, as torch names it.
        where: on what they are used, in words.
        after: calls of one signature that run without, before it is recorded with `graphs=auto`.
        traces: whether it is a trace of operations, whose kernels are chosen at each replay.
        holds: whether it holds memory of the device between calls. Only then its use is told
            without being asked: it may turn out not to fit.
    """

    name: str
    device: str
    where: str
    after: int = 0
    traces: bool = False
    holds: bool = False

    @property
    def several(self) -> str:
        """Name of several of them."""
        return f"{self.name}s"


ROWS = (
    GraphKind("CUDA graph", "cuda", "on CUDA", holds=True),
    # On the small family, recording takes as long as what some 25 replays save.
    GraphKind(
        "traced graph", "cpu", "on a CPU, for a size that came 24 times", after=24, traces=True
    ),
)

GRAPHS: Mapping[str, GraphKind] = {row.device: row for row in ROWS}
"""Kinds by kind of device."""


def graph_kind(device: str) -> GraphKind | None:
    """Of a device ("cuda:1"); None: it has none."""
    return GRAPHS.get(device.partition(":")[0])
