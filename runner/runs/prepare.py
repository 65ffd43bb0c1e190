"""Gets weights onto this disk: asks the hub what is missing, fetches it, converts pickles."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from runner.config.cell import Cell
from runner.config.choices import Progress
from runner.config.run_config import RunConfig
from runner.errors import ConfigError
from runner.pipelines.pickles import convert
from runner.pipelines.published import make_folder
from runner.planning.plan import Plan
from runner.planning.planner import Planner, make_plan
from runner.planning.sweep import SweepPlan, plan_sweep
from runner.recording.downloads import QuietDownload, download_display
from runner.runs.joining import joined
from runner.system.signals import interrupt, signals
from runner.weights.complete import ask_about, fetch_missing, missing_files, raise_unfetched
from runner.weights.found import FoundCheckpoint, fetched_of
from runner.weights.hub import RemoteFile
from runner.weights.lora_places import ROLE

T = TypeVar("T")
Found = Collection[FoundCheckpoint]

STOPPED = "the download was stopped; what was fetched is kept, and the same command goes on there"


def prepare_run(run: RunConfig, *, may_ask_hub: bool = True) -> Plan:
    """The plan of a run, with all its weights on this disk.

    Args:
        may_ask_hub: False where all that is known to be needed is on this disk: the hub is not
            asked whether that is all.

    Raises:
        ConfigError: as for `make_plan`; or weights cannot be had.
        StorageError: they cannot be kept.
    """
    if run.into is not None:
        raise ConfigError("into", run.into, "is for sweeps, and this is one run", "-m, or null")
    return _prepared(lambda: make_plan(run, download=True), _of_run, run.progress, may_ask_hub)


def prepare_sweep(cells: Sequence[Cell], batch_of: Path | None = None) -> SweepPlan:
    """The plan of a sweep, with all its weights on this disk; see `prepare_run`.

    Args:
        batch_of: the folder of the sweep that an earlier batch of the same command began.
    """
    cells, sweep = joined(cells, batch_of)
    runs = (cell.config for cell in cells if isinstance(cell.config, RunConfig))
    progress = next((run.progress for run in runs), Progress.auto)
    return _prepared(lambda: plan_sweep(cells, sweep, download=True), _of_sweep, progress)


def download(runs: Sequence[RunConfig], *, newest: bool) -> list[FoundCheckpoint]:
    """Get the weights of configs onto this disk, whatever machine will run them.

    Args:
        newest: move branches to their newest commits, where the cache has older ones.

    Returns:
        the checkpoints, each once.

    Raises:
        ConfigError: a version cannot do a task, or weights cannot be had.
        StorageError: they cannot be kept.
    """

    def find() -> list[FoundCheckpoint]:
        weights = map(Planner().needed_weights, runs)
        return fetched_of(found for one in weights for found in one.checkpoints.values())

    if newest:
        ask_about(find(), newest=True)
    return _prepared(find, lambda found: found, runs[0].progress)


def look_up_run(run: RunConfig) -> tuple[Plan, str | None]:
    """The plan of a run, after the hub was asked about weights that are not on this disk.

    Returns:
        the plan; and why the hub could not be asked, if so.
    """
    return _looked_up(lambda: make_plan(run), _of_run)


def look_up_sweep(cells: Sequence[Cell]) -> tuple[SweepPlan, str | None]:
    """The plan of a sweep; see `look_up_run`."""
    cells, sweep = joined(cells)
    return _looked_up(lambda: plan_sweep(cells, sweep), _of_sweep)


def _of_run(plan: Plan) -> Found:
    return fetched_of(plan.weights.checkpoints.values())


def _of_sweep(sweep: SweepPlan) -> Found:
    return fetched_of(f for plan in sweep.plans for f in plan.weights.checkpoints.values())


def _looked_up(plan: Callable[[], T], of: Callable[[T], Found]) -> tuple[T, str | None]:
    planned = plan()
    unknown = [
        found
        for found in of(planned)
        if (found.checked is None and found.making is None) or not found.listed
    ]
    if not unknown:
        return planned, None
    unreached = ask_about(unknown, seconds=0)
    return (planned, unreached) if unreached else (plan(), None)


def _prepared(
    plan: Callable[[], T],
    of: Callable[[T], Found],
    progress: Progress,
    may_ask_hub: bool = True,
) -> T:
    planned = plan()
    display = download_display(progress)
    unlisted = [found for found in of(planned) if not found.listed]
    # Another program's download: it may lack what this program cannot know of.
    if unlisted and may_ask_hub and ask_about(unlisted, seconds=0) is None:
        planned = plan()
    try:
        with signals(interrupt):
            planned = _completed(plan, of, planned, display)
            for found in of(planned):
                assert found.checked is not None
                for target, pickles in found.checked.to_convert.items():
                    display.converts(str(pickles[0]))
                    convert(pickles, target)
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr, flush=True)
        raise
    return planned


def _completed(
    plan: Callable[[], T], of: Callable[[T], Found], planned: T, display: QuietDownload
) -> T:
    """The plan, once all its weights are on this disk."""
    before: set[RemoteFile] = set()
    while absent := [found for found in of(planned) if found.checked is None]:
        lacking = [found for found in absent if found.making is None or found.missing]
        if lacking:
            ask_about(lacking)
            planned = plan()
            missing = set(missing_files(of(planned)))
            if missing and missing == before:
                raise_unfetched([found for found in of(planned) if found.checked is None])
            before = missing
            # LoRAs first: they are small, and may turn out to be none.
            loras = [found for found in of(planned) if found.role == ROLE and found.missing]
            fetch_missing(loras or list(of(planned)), display)
            planned = plan()
        made = {
            found.making.target: found
            for found in of(planned)
            if found.making is not None and not found.missing
        }
        for target, found in made.items():
            display.makes(str(target), found.repo)
            make_folder(found)
        planned = plan() if made else planned
    return planned
