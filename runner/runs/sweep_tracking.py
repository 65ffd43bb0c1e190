"""MLflow runs of a sweep: a parent run in each experiment of its cells, theirs below it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from runner.config.overrides import listed
from runner.planning.plan import Plan
from runner.planning.sweep import SweepPlan
from runner.recording.cells import experiment_of
from runner.recording.sessions import close_session, open_session
from runner.recording.sweep_record import CellEntry, SweepRecord
from runner.runs.names import cell_name, sweep_name
from runner.system.text import pluralize
from runner.tracking.session import TrackingSession, now_ms
from runner.tracking.spool import AXIS
from runner.tracking.status import Status

CELL_TAG = "runner.cell"


class SweepTracking:
    """The sessions of a sweep, one for each tracking URI, and its parent runs in them.

    Sessions and parent runs begin with the first request for them.

    Attributes:
        again: an earlier attempt may have begun the same runs.
    """

    def __init__(self, sweep: SweepPlan, record: SweepRecord, run_ids: Mapping[int, str]) -> None:
        self._sweep = sweep
        self._record = record
        self._run_ids = run_ids
        self._run = sweep.plans[0].run
        self._sessions: dict[str, TrackingSession | None] = {}
        self._parents: dict[tuple[str, str], str] = {}
        self.again = record.attempts > 1

    def run_id(self, cell: CellEntry) -> str:
        """The runner's own id of a cell's run: the same in each attempt."""
        own = f"{self._record.sweep_id}-{cell.number:04d}"
        return self._run_ids.get(cell.number, own)

    def name(self, cell: CellEntry) -> str:
        """The name of a cell's run."""
        return cell_name(cell.overrides, self._axes) or self._record.name

    def number(self, cell: CellEntry, plan: Plan) -> None:
        """Tell the number of a cell, by which its folder and the page name it."""
        session = self.session(plan)
        if session is not None:
            session.append("tags", self.run_id(cell), tags={CELL_TAG: str(cell.number)})

    @property
    def parents(self) -> Iterable[str]:
        """The runner's own ids of the parent runs."""
        return self._parents.values()

    def session(self, plan: Plan) -> TrackingSession | None:
        """The session for a cell's records; None: it is not tracked."""
        address = _address(plan)
        if address not in self._sessions:
            number = len(self._sessions)
            name = self._record.sweep_id + (f"-{number}" if number else "")
            attempt = f".{self._record.attempts}" if self.again else ""
            self._sessions[address] = open_session(plan, name + attempt)
        return self._sessions[address]

    def parent(self, plan: Plan) -> str | None:
        """The parent run in the experiment of a cell."""
        session, experiment = self.session(plan), experiment_of(plan)
        if session is None:
            return None
        where = (_address(plan), experiment)
        if where not in self._parents:
            number = len(self._parents)
            parent = self._record.sweep_id + (f"-sweep{number}" if number else "")
            name = sweep_name(self._record.name, self._axes)
            session.begin(parent, name, experiment, again=self.again)
            axes = {f"{AXIS}{key}": listed(values) for key, values in self._axes.items()}
            session.append("params", parent, params=axes)
            tags = {"mlflow.note.content": self._note()}
            if self._record.parts:  # it began with another name, of fewer axes
                tags["mlflow.runName"] = name
            session.append("tags", parent, tags=tags)
            self._parents[where] = parent
        return self._parents[where]

    @property
    def _axes(self) -> Mapping[str, Sequence[str]]:
        return self._record.axes if self._record.parts else self._sweep.axes

    def begin_all(self) -> None:
        """Begin the parent runs in all experiments of the cells."""
        for plan in self._sweep.plans:
            self.parent(plan)

    def look_up(self, cell: CellEntry, plan: Plan) -> None:
        """Have `end` return the MLflow run of a cell that an earlier attempt finished."""
        session = self._sessions.get(_address(plan))
        if session is not None:
            session.look_up(self.run_id(cell), experiment_of(plan))

    def end(self, status: Status, metrics: Mapping[str, float]) -> dict[str, str]:
        """Write the sweep's last records, then wait a short time for their delivery.

        Args:
            metrics: empty where nothing was left to do.

        Returns:
            the runner's own id -> MLflow run's id, for delivered runs.
        """
        for (address, _), parent in self._parents.items():
            session = self._sessions[address]
            assert session is not None
            if metrics:
                session.append("metrics", parent, metrics=dict(metrics), time_ms=now_ms(), step=0)
            session.end(parent, status)
        ids: dict[str, str] = {}
        for session in filter(None, self._sessions.values()):
            ids |= close_session(session, self._run.output_dir, self._run.progress)
        return ids

    def _note(self) -> str:
        sweep = self._sweep
        question = f"{self._run.question}\n\n" if self._run.question else ""
        stages = ", ".join(
            f"{distinct} {stage} (of {sweep.stages[stage]})"
            for stage, distinct in sweep.distinct_stages.items()
        )
        cells, commands = pluralize(len(sweep.cells), "cell"), [sweep.command]
        if self._record.parts:
            commands = self._record.commands
            cells = f"{pluralize(len(self._record.cells), 'cell')}, {cells} of the last command"
        left_out = "".join(f"\n\n    {line}" for line in sweep.left_out_lines()[:1])
        lines = "".join(f"    {command}\n" for command in commands)
        return f"{question}{cells}, each distinct stage once: {stages}{left_out}\n\n{lines}"


def _address(plan: Plan) -> str:
    """The key of the session for a plan's records."""
    tracking = plan.run.tracking
    return f"{tracking.tracker.name} {tracking.uri}"
