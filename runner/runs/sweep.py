"""Runs a sweep: all cells as one graph, each distinct stage once."""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from runner.config.cluster import Cluster
from runner.engine.results import Made
from runner.errors import ConfigError, Interrupted, RunnerError, StorageError
from runner.graph.node import Node
from runner.planning.plan import Plan
from runner.planning.sweep import SweepPlan
from runner.recording.cells import CellAtWork, CellRecord, Recorder
from runner.recording.display import CellEnded, Display
from runner.recording.manifest import lacks_mlflow_run, note_mlflow_run
from runner.recording.progress import display_for
from runner.recording.sweep_record import CellEntry
from runner.runs.execute import FAILURE, SUCCESS, Finished, execute_plans
from runner.runs.groups import drawn_in, group_by_profile
from runner.runs.summary import announce_sweep, summary_of_sweep
from runner.runs.sweep_folder import SweepFolder
from runner.runs.sweep_tracking import SweepTracking
from runner.runs.totals import Totals, metrics_of
from runner.system.signals import StopBetweenStages, signals
from runner.system.text import path_here, pluralize
from runner.tracking.status import Status, status_of_all
from runner.workers.handed_on import HandedOn

SECONDS_BETWEEN_TOTALS = 2.0


@dataclass(frozen=True)
class FinishedSweep:
    """How a sweep ended, and its cells in order, with those of earlier attempts.

    Attributes:
        summary: what was made, as text for the user.
    """

    status: int
    cells: tuple[Finished, ...]
    summary: str = ""


def execute_sweep(sweep: SweepPlan, cluster: Cluster | None = None) -> FinishedSweep:
    """Run the cells of a sweep that are not finished yet.

    Args:
        cluster: where the stages run; None: on this machine.

    Raises:
        RunnerError: the sweep could not go on.
        Interrupted: Ctrl-C or SIGTERM; finished images are kept and recorded.
    """
    if cluster is not None and any(plan.run.bench for plan in sweep.plans):
        raise ConfigError(
            "bench", "true", "measures in this process, and hydra/launcher sends stages elsewhere",
            "bench=false, or hydra/launcher=basic",
        )  # fmt: skip
    folders: defaultdict[Path, list[int]] = defaultdict(list)
    for cell, plan in zip(sweep.cells, sweep.plans, strict=True):
        folders[plan.run.output_dir].append(cell.number)
    cells: dict[int, Finished] = {}
    summaries = []
    for numbers in folders.values():
        part = _SweepRun(sweep.part(numbers), cluster)
        cells |= dict(zip(numbers, part.execute(), strict=True))
        summaries.append(part.summary())
    worst = max((cell.status for cell in cells.values()), default=SUCCESS)
    in_order = tuple(cells[cell.number] for cell in sweep.cells)
    return FinishedSweep(worst, in_order, "\n".join(summaries))


class _SweepRun:
    """One attempt at a sweep: its cells, folder, tracking and progress."""

    def __init__(self, sweep: SweepPlan, cluster: Cluster | None) -> None:
        self._cluster = cluster
        self._run = sweep.plans[0].run
        self._folder = SweepFolder.open(sweep, self._run.output_dir, self._run.resume)
        self._sweep = sweep = sweep.numbered(self._folder.numbers)
        self._plans = dict(zip(self._folder.numbers, sweep.plans, strict=True))
        self._labels = self._folder.labels()
        self._to_do = self._folder.to_do(self._plans, self._run.retry)
        self._tracking = SweepTracking(sweep, self._folder.record, self._folder.run_ids())
        self._ended: Counter[Status] = Counter()
        self._totals = Totals(self._keep_totals)
        self._kept = time.monotonic()
        self._started, self._began = time.perf_counter(), time.time()
        self._seconds = 0.0

    def execute(self) -> list[Finished]:
        """Run the unfinished cells. Returns all cells, in order."""
        announce_sweep(self._sweep, len(self._to_do), self._folder.path)
        stop = StopBetweenStages()
        status = Status.FAILED
        try:
            with signals(stop):
                self._execute(stop.check)
            status = self._status()
        except Interrupted:
            status = Status.KILLED
            done = sum(self._ended.values())
            print(
                f"{done} of {pluralize(len(self._to_do), 'cell')} done; the same command goes on",
                file=sys.stderr,
            )
            raise
        finally:
            with signals(signal.SIG_IGN):
                self._end(status)
        self._seconds = time.perf_counter() - self._started
        return self._finished()

    def _execute(self, check: Callable[[], None]) -> None:
        if self._to_do:
            # Now, not with the first cell, so that MLflow's imports overlap with torch's.
            self._tracking.parent(self._plans[self._to_do[0].number])
        with (
            display_for(self._run.progress, len(self._to_do)) as display,
            HandedOn() as handed_on,
        ):
            at_work = [self._cell_at_work(entry) for entry in self._to_do]
            groups = group_by_profile(at_work, self._sweep.baselines)
            for cells in groups:
                several = handed_on if len(groups) > 1 else None
                self._execute_group(cells, display, check, several)

    def _execute_group(
        self,
        cells: Sequence[CellAtWork],
        display: Display,
        check: Callable[[], None],
        handed_on: HandedOn | None,
    ) -> None:
        """Run the cells of one profile."""
        recorder = Recorder(cells, partial(self._tell, display))
        try:
            execute_plans(
                [cell.plan for cell in cells],
                [recorder, self._totals, display],
                external=self._external(cells),
                cluster=self._cluster,
                handed_on=handed_on,
                between=check,
                since=self._began,
            )
        except KeyboardInterrupt:
            recorder.stop(Status.KILLED)
            raise
        except RunnerError as error:
            recorder.stop(Status.FAILED, error)
            raise
        except BaseException:
            recorder.stop(Status.FAILED)
            raise

    def _external(self, cells: Sequence[CellAtWork]) -> dict[Node, Callable[[], Made | None]]:
        """By external node, the function that reads the baseline's picture for these cells."""
        borrowers: defaultdict[int, list[Plan]] = defaultdict(list)
        for cell in cells:
            if cell.plan.external_references:
                borrowers[self._sweep.baselines[cell.number]].append(cell.plan)
        found: dict[Node, Callable[[], Made | None]] = {}
        for entry in self._folder.record.cells if borrowers else ():
            if entry.number in borrowers:
                found |= drawn_in(self._folder.folder(entry), borrowers[entry.number])
        return found | self._folder.given(self._plans)

    def _cell_at_work(self, entry: CellEntry) -> CellAtWork:
        plan = self._plans[entry.number]
        return CellAtWork(entry.number, plan, lambda: self._begin(entry, plan))

    def _begin(self, entry: CellEntry, plan: Plan) -> CellRecord:
        tracking = self._tracking
        record = CellRecord(
            plan,
            tracking.run_id(entry),
            self._folder.folder(entry),
            tracking.session(plan),
            run_name=self._tracking.name(entry),
            parent=tracking.parent(plan),
            again=tracking.again,
            attempt=f"{self._folder.record.sweep_id}.{self._folder.record.attempts}",
            kept=self._folder.kept(entry, plan),
        )
        tracking.number(entry, plan)
        return record

    def _tell(self, display: Display, cell: CellAtWork) -> None:
        assert cell.status is not None
        self._ended[cell.status] += 1
        done = sum(self._ended.values())
        label, of = self._labels[cell.number], len(self._to_do)
        display.cell_ended(
            CellEnded(cell.number, label, cell.status, cell.images, done, of, cell.reused)
        )

    def _keep_totals(self) -> None:
        """Record the counts so far, now and then: a kill leaves no time for it."""
        if time.monotonic() - self._kept > SECONDS_BETWEEN_TOTALS:
            seconds = time.perf_counter() - self._started
            self._folder.keep(seconds, self._totals.added_to(self._folder.record.totals))
            self._kept = time.monotonic()

    def _status(self) -> Status:
        """The status of the whole sweep, with earlier attempts."""
        found = status_of_all(map(self._folder.recorded_status, self._folder.record.cells))
        return found if found in (Status.FAILED, Status.FINISHED) else Status.KILLED

    def _end(self, status: Status) -> None:
        """Record the end. Raises nothing that would hide an error."""
        seconds = time.perf_counter() - self._started
        unnamed = self._unnamed()
        if unnamed or self._folder.before not in (None, Status.FINISHED):
            # Also where all cells are done: an earlier attempt was killed before its end.
            self._tracking.begin_all()
        for entry in unnamed:
            self._tracking.look_up(entry, self._plans[entry.number])
        record, metrics = self._folder.record, {}
        totals = self._totals.added_to(record.totals)
        if self._to_do:
            cells = Counter(map(self._folder.recorded_status, record.cells))
            metrics = metrics_of(cells, totals, record.seconds + seconds)
        ids = self._tracking.end(status, metrics)
        try:
            for entry in self._folder.record.cells:
                mlflow_run_id = ids.get(self._tracking.run_id(entry))
                if mlflow_run_id is not None:
                    note_mlflow_run(self._folder.folder(entry), mlflow_run_id)
            runs = {run: ids[run] for run in self._tracking.parents if run in ids}
            self._folder.end(status, seconds, runs, totals)
        except StorageError as error:
            print(f"error: {error}", file=sys.stderr)

    def _unnamed(self) -> list[CellEntry]:
        """Finished cells of a killed attempt whose manifest lacks the id of their MLflow run."""
        if not self._tracking.again:
            return []
        doing = {cell.number for cell in self._to_do}
        return [
            cell
            for cell in self._folder.record.cells
            if cell.number in self._plans
            and cell.number not in doing
            and lacks_mlflow_run(self._folder.folder(cell))
        ]

    def _finished(self) -> list[Finished]:
        folder, entries = self._folder, {cell.number: cell for cell in self._folder.record.cells}
        return [
            Finished(
                SUCCESS if folder.recorded_status(entries[number]) == Status.FINISHED else FAILURE,
                folder.folder(entries[number]),
            )
            for number in folder.numbers
        ]

    def summary(self) -> str:
        """The summary of `execute`, for the user."""
        where = path_here(self._folder.path)
        todo, cells = len(self._to_do), len(self._sweep.cells)
        logged = bool(self._tracking.parents)
        return summary_of_sweep(
            self._run, self._ended, self._totals, todo, cells, self._seconds, where, logged
        )
