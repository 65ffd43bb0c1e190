"""Plans, with the hub's help: asks it what is missing, fetches that, and plans again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from runner.config.cell import Cell
from runner.config.choices import Progress
from runner.config.run_config import RunConfig
from runner.errors import Interrupted
from runner.pipelines.pickles import convert
from runner.planning.plan import Plan
from runner.planning.planner import make_plan
from runner.planning.sweep import SweepPlan, plan_sweep
from runner.recording.downloads import download_display
from runner.weights.complete import ask_about, fetch_missing
from runner.weights.found import FoundCheckpoint

Planned = TypeVar("Planned", Plan, SweepPlan)
Planner = Callable[[], Planned]
Checkpoints = Callable[[Planned], Collection[FoundCheckpoint]]

STOPPED = "the download was stopped; what was fetched is kept, and the same command goes on there"


def prepare_run(run: RunConfig) -> Plan:
    """The plan of a run, with all its weights on this disk.

    Raises:
        ConfigError: as for `make_plan`; or weights cannot be had.
        StorageError: they cannot be kept.
    """
    return _prepared(lambda: make_plan(run, download=True), _of_run, run.progress)


def prepare_sweep(cells: Sequence[Cell]) -> SweepPlan:
    """The plan of a sweep, with all its weights on this disk; see `prepare_run`."""
    progress = next(
        (c.config.progress for c in cells if isinstance(c.config, RunConfig)), Progress.auto
    )
    return _prepared(lambda: plan_sweep(cells, download=True), _of_sweep, progress)


def look_up_run(run: RunConfig) -> tuple[Plan, str | None]:
    """The plan of a run, after the hub was asked about weights that are not on this disk.

    Returns:
        the plan; and why the hub could not be asked, if so.
    """
    return _looked_up(lambda: make_plan(run), _of_run)


def look_up_sweep(cells: Sequence[Cell]) -> tuple[SweepPlan, str | None]:
    """The plan of a sweep; see `look_up_run`."""
    return _looked_up(lambda: plan_sweep(cells), _of_sweep)


def _of_run(plan: Plan) -> Collection[FoundCheckpoint]:
    return plan.weights.checkpoints.values()


def _of_sweep(sweep: SweepPlan) -> Collection[FoundCheckpoint]:
    return sweep.checkpoints.values()


def _looked_up(plan: Planner[Planned], of: Checkpoints[Planned]) -> tuple[Planned, str | None]:
    planned = plan()
    unknown = [found for found in of(planned) if found.checked is None]
    if not unknown:
        return planned, None
    unreached = ask_about(unknown, seconds=0)
    return (planned, unreached) if unreached else (plan(), None)


def _prepared(plan: Planner[Planned], of: Checkpoints[Planned], progress: Progress) -> Planned:
    planned = plan()
    display = download_display(progress)
    if any(found.checked is None for found in of(planned)):
        ask_about(found for found in of(planned) if found.checked is None)
        planned = plan()
        try:
            fetch_missing(list(of(planned)), display)
        except Interrupted:
            print(STOPPED, file=sys.stderr, flush=True)
            raise
        planned = plan()
    for found in of(planned):
        assert found.checked is not None, f"{found.repo} is whole now"
        for target, pickles in found.checked.to_convert.items():
            display.converts(str(pickles[0]))
            convert(pickles, target)
    return planned
