"""Counts of a sweep's distinct stages, for its MLflow parent run and its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from runner.engine.observer import Loaded, NodeResult, Observer
from runner.errors import RunnerError
from runner.graph.node import Node
from runner.system.machine import peak_process_bytes
from runner.tracking.status import Status

LARGEST = ("workers", "peak_process_mb")
"""Names of totals of which the largest counts; all others are added up."""


class Totals(Observer):
    """Counts of the distinct stages.

    Args:
        on_change: called after each stage.
    """

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self._on_change = on_change
        self.run = self.reused = self.failed = self.workers = 0
        self.seconds_in_stages = self.seconds_loading = 0.0

    def workers_begun(self, workers: int, how: str) -> None:
        self.workers = max(self.workers, workers)

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self.seconds_loading += loaded.seconds

    def node_finished(self, result: NodeResult) -> None:
        if result.reused:
            self.reused += 1
        else:
            self.run += 1
            self.seconds_in_stages += result.ran.seconds
        self._on_change()

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self.failed += 1

    def added_to(self, before: Mapping[str, float]) -> dict[str, float]:
        """These, with those of earlier attempts at the same sweep."""
        own: dict[str, float] = {
            "stages_run": self.run,
            "stages_reused": self.reused,
            "stages_failed": self.failed,
            "seconds_in_stages": self.seconds_in_stages,
            "seconds_loading": self.seconds_loading,
            "workers": self.workers,
        }
        peak = peak_process_bytes()
        if peak is not None:
            own["peak_process_mb"] = peak / 2**20
        return merged_totals([own, before])


def merged_totals(totals: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The totals of several attempts, or of several sweeps, as of one."""
    found: dict[str, float] = {}
    for name, value in (item for each in totals for item in each.items()):
        before = found.get(name, 0)
        found[name] = max(before, value) if name in LARGEST else before + value
    return found


def metrics_of(
    cells: Counter[Status], totals: Mapping[str, float], seconds: float
) -> dict[str, float]:
    """Metrics of the sweep's parent run.

    Args:
        cells: how many have each status.
        totals: of all attempts; `seconds`: wall time of all of them.
    """
    return {
        "cells_finished": cells[Status.FINISHED],
        "cells_failed": cells[Status.FAILED],
        "seconds_total": seconds,
        **totals,
    }
