"""Estimates how long nodes will take, from times that earlier runs recorded in the store."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runner.config.run_config import Bench
from runner.engine.store import ENTRY, work_of
from runner.graph.node import Node
from runner.graph.stage_table import MEASURE
from runner.system.untrusted import parse_json, read_regular


@dataclass(frozen=True)
class Estimate:
    """Seconds of those nodes whose kind was run before; `unknown`: the number of the others."""

    seconds: float
    nodes: int
    unknown: int


class Estimator:
    """Takes the median time of each kind of work over a store's entries.

    Times are without model loading, and of the machine that filled the store.
    """

    def __init__(self, folder: Path) -> None:
        took: defaultdict[str, list[float]] = defaultdict(list)
        for record in folder.glob(f"[0-9a-f][0-9a-f]/*/{ENTRY}"):
            try:
                entry = parse_json(read_regular(record))
                took[entry["work"]].append(entry["seconds"] / entry["amount"])
            except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
                continue  # of an earlier version, or just removed
        self._took = took
        self._rates = {work: statistics.median(rates) for work, rates in took.items()}

    def fastest(self, node: Node, calls: int) -> float | None:
        """The least time that work like a node's took; None where fewer than so many calls are
        recorded.
        """
        work, amount = work_of(node)
        rates = self._took.get(work, [])
        return min(rates) * amount if len(rates) >= calls else None

    def estimate(self, nodes: Iterable[Node], bench: Bench | None = None) -> Estimate:
        """The time of nodes that are run one after the other.

        Args:
            bench: how often each that draws is run.
        """
        times = 1 if bench is None else bench.warmup + bench.repeats
        seconds, count, unknown = 0.0, 0, 0
        for node in nodes:
            work, amount = work_of(node)
            count += 1
            if work in self._rates:
                drawn = node.pipeline is not None and node.stage != MEASURE
                seconds += self._rates[work] * amount * (times if drawn else 1)
            else:
                unknown += 1
        return Estimate(seconds, count, unknown)
