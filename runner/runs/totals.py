"""Counts of a sweep's distinct stages, for its MLflow parent run and its summary."""

from __future__ import annotations

from collections import Counter

from runner.engine.observer import Loaded, NodeResult, Observer
from runner.errors import RunnerError
from runner.graph.node import Node
from runner.system.machine import peak_process_bytes
from runner.tracking.status import Status


class Totals(Observer):
    """Counts of the distinct stages."""

    def __init__(self) -> None:
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

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self.failed += 1

    def metrics(self, ended: Counter[Status], seconds: float) -> dict[str, float]:
        """Metrics of the sweep's parent run."""
        found: dict[str, float] = {
            "cells_finished": ended[Status.FINISHED],
            "cells_failed": ended[Status.FAILED],
            "stages_run": self.run,
            "stages_reused": self.reused,
            "stages_failed": self.failed,
            "workers": self.workers,
            "seconds_total": seconds,
            "seconds_in_stages": self.seconds_in_stages,
            "seconds_loading": self.seconds_loading,
        }
        peak = peak_process_bytes()
        if peak is not None:
            found["peak_process_mb"] = peak / 2**20
        return found
