"""`kandinsky run`: make images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from runner.config.run_config import RunConfig
from runner.sweeps import Cell, plan_sweep
from runner.verbs.hydra_app import STOPPED, run_with_hydra, shielded


def main(arguments: list[str]) -> int:
    """Run a composed config, or all of a sweep's."""
    return run_with_hydra(_job, arguments, "kandinsky", _sweep_job)


def _sweep_job(cells: Sequence[Cell]) -> int:
    """All cells are checked before the first model is loaded. The worst status is returned."""
    worst = 0
    for run in plan_sweep(cells).runs:
        worst = max(worst, shielded(partial(_job, run), run.debug))
        if worst >= STOPPED:
            break
    return worst


def _job(run: RunConfig) -> int:
    # Only now: `--cfg job` and errors of the config do not need it.
    from runner.run import execute

    return execute(run).status
