"""`kandinsky run`: make images."""

from __future__ import annotations

from collections.abc import Sequence

from runner.config.cluster import Cluster
from runner.config.run_config import RunConfig
from runner.sweeps import Cell, plan_sweep
from runner.verbs.hydra_app import run_with_hydra


def main(arguments: list[str]) -> int:
    """Run a composed config, or all of a sweep's."""
    return run_with_hydra(_job, arguments, "kandinsky", _sweep_job)


def _sweep_job(cells: Sequence[Cell], cluster: Cluster | None) -> int:
    """All cells are checked before the first model is loaded."""
    from runner.sweep_run import execute_sweep

    return execute_sweep(plan_sweep(cells, download=True), cluster).status


def _job(run: RunConfig) -> int:
    # Only now: `--cfg job` and errors of the config do not need it.
    from runner.run import execute

    return execute(run).status
