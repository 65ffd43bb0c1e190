"""Records cells: from the engine's events to each cell's folder and MLflow run."""

from __future__ import annotations

import contextlib
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import methodcaller
from pathlib import Path
from typing import TypeAlias

from runner.engine.observer import Loaded, NodeResult, Observer
from runner.errors import RunnerError, StorageError
from runner.graph.node import Node, PipelineSpec
from runner.planning.plan import Plan
from runner.recording.manifest import SavedImage
from runner.recording.mlflow_log import RunLog
from runner.recording.run_folder import RunFolder
from runner.system.files import fit_name
from runner.system.machine import peak_process_bytes
from runner.tracking.session import TrackingSession
from runner.tracking.status import Status


class CellRecord(Observer):
    """Records one cell: images and manifest in a folder, and the records of its MLflow run.

    Args:
        run_id: the runner's own id of the run.
        path: the folder.
        session: where the run's records go; None: it is not tracked.
        parent: the runner's own id of the sweep's run.
        again: an earlier attempt may have begun the same run.
        attempt: names this one, for the record of how stages were timed; None: the run's id.
        kept: pictures of an earlier attempt that stay.
    """

    def __init__(
        self,
        plan: Plan,
        run_id: str,
        path: Path,
        session: TrackingSession | None,
        *,
        run_name: str,
        parent: str | None = None,
        again: bool = False,
        attempt: str | None = None,
        kept: Sequence[SavedImage] = (),
    ) -> None:
        self._log: RunLog | None = None
        self.folder = RunFolder(
            plan, run_id, path, attempt or run_id, self._image_saved, self._input_saved, kept
        )
        if session is not None:
            session.begin(run_id, run_name, experiment_of(plan), parent=parent, again=again)
            self._log = RunLog(session, run_id)
            self._log.describe(plan, self.folder.environment)

    def _image_saved(self, index: int, path: Path) -> None:
        if self._log is not None:
            self._log.image_saved(index, path)

    def _input_saved(self, path: Path) -> None:
        if self._log is not None:
            self._log.input_saved(path)

    def workers_begun(self, workers: int, how: str) -> None:
        self.folder.workers_begun(workers, how)
        if self._log is not None:
            self._log.workers_begun(workers, how)

    def pipeline_loaded(self, loaded: Loaded) -> None:
        if self._log is not None:
            self._log.pipeline_loaded(loaded)

    def memory_relieved(self, node: Node, how: str) -> None:
        if self._log is not None:
            self._log.memory_relieved(node, how)

    def worker_died(self, node: Node, how: str) -> None:
        if self._log is not None:
            self._log.worker_died(node, how)

    def node_finished(self, result: NodeResult) -> None:
        self.folder.node_finished(result)
        if self._log is not None:
            self._log.node_finished(result)

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self.folder.node_failed(node, error)
        self.failed(error)

    def failed(self, error: RunnerError) -> None:
        """Record why the cell, or a part of it, failed."""
        if self._log is not None:
            self._log.failed(error)

    def end(self, status: Status, seconds: float | None = None) -> bool:
        """End the record. Returns False where the manifest could not be written.

        Raises nothing that would hide an error.

        Args:
            seconds: wall time; None where cells of a sweep share the process.
        """
        if self._log is not None:
            peak = None if seconds is None else peak_process_bytes()
            self._log.end(status, self.folder.images, self.folder.scores, seconds, peak)
        return self.save_manifest(status)

    def save_manifest(self, status: Status) -> bool:
        """Write the manifest. On failure prints the error and returns False."""
        try:
            self.folder.save_manifest(status)
        except StorageError as error:
            print(f"error: {error}", file=sys.stderr)
            return False
        return True


def experiment_of(plan: Plan) -> str:
    """The MLflow experiment that a cell's run belongs to."""
    return plan.run.tracking.experiment or fit_name(plan.run.name)


@dataclass
class CellAtWork:
    """A cell of a sweep while it runs.

    Attributes:
        begin: opens its record; called with the first thing that happens to a node of its own.
        targets: keys of the nodes whose results it keeps; `open`: of those not finished yet.
        kept: what its record will be told once it is open.
        loaded: the pipelines that its record has.
        knows_workers: whether its record has the workers.
        images: how many it made, once it has ended; `reused`: of them, not drawn for it.
        status: how it ended; None while it has not.
    """

    number: int
    plan: Plan
    begin: Callable[[], CellRecord]
    targets: frozenset[str] = field(init=False)
    open: set[str] = field(init=False)
    record: CellRecord | None = None
    kept: list[Event] = field(default_factory=list)
    loaded: set[PipelineSpec] = field(default_factory=set)
    knows_workers: bool = False
    failed: bool = False
    images: int = 0
    reused: int = 0
    status: Status | None = None

    def __post_init__(self) -> None:
        self.targets = frozenset(node.key for node in self.plan.graph.targets)
        self.open = set(self.targets)

    def tell(self, event: Event) -> None:
        """Tell its record, now or when it is opened."""
        if self.record is not None:
            event(self.record)
        else:
            self.kept.append(event)

    def ensure_record(self) -> None:
        """Open its record, unless that is done."""
        if self.record is None:
            self.record = self.begin()
            kept, self.kept = self.kept, []
            for event in kept:
                event(self.record)

    def end(self, status: Status) -> None:
        """Close its record and free its memory."""
        self.status = status
        if self.record is not None:
            images = self.record.folder.images
            self.images, self.reused = len(images), sum(image.reused for image in images)
            self.record.end(status)
            self.record = None


Event: TypeAlias = Callable[[CellRecord], None]


class Recorder(Observer):
    """Passes the engine's events on a node to every cell that has the node.

    The node counts as run by the first of these cells, and as reused by the others.

    A cell's record is opened when a node of its own begins or has its result: one that no other
    cell has, or whose result it keeps. So a prior that thousands of cells share does not wait for
    their records, and these are not all open at once.

    Args:
        on_end: called with each cell that ended.
    """

    def __init__(self, cells: Iterable[CellAtWork], on_end: Callable[[CellAtWork], None]) -> None:
        self._cells = list(cells)
        self._on_end = on_end
        self._owners: defaultdict[str, list[CellAtWork]] = defaultdict(list)
        for cell in self._cells:
            for node in cell.plan.graph:
                self._owners[node.key].append(cell)
        self._loaded: dict[PipelineSpec, Loaded] = {}
        self._workers: tuple[int, str] | None = None

    def workers_begun(self, workers: int, how: str) -> None:
        self._workers = workers, how

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self._loaded[loaded.spec] = loaded
        for cell in self._cells:
            cell.loaded.discard(loaded.spec)  # loaded again: recorded again

    def node_started(self, node: Node) -> None:
        for cell in self._open_owners(node):
            if self._workers is not None and not cell.knows_workers:
                cell.tell(methodcaller("workers_begun", *self._workers))
                cell.knows_workers = True
        self._tell_loaded(node)
        if len(self._owners[node.key]) == 1:
            for cell in self._open_owners(node):
                cell.ensure_record()

    def memory_relieved(self, node: Node, how: str) -> None:
        for cell in self._open_owners(node):
            cell.tell(methodcaller("memory_relieved", node, how))

    def worker_died(self, node: Node, how: str) -> None:
        for cell in self._open_owners(node):
            cell.tell(methodcaller("worker_died", node, how))

    def node_finished(self, result: NodeResult) -> None:
        node, reused = result.node, replace(result, reused=True)
        for number, cell in enumerate(self._open_owners(node)):
            told = reused if number else result
            if self._is_own(node, cell):
                cell.ensure_record()
            else:  # what is kept for later must not hold the result in memory
                told = replace(told, ran=replace(told.ran, made={}), pictures={})
            cell.tell(methodcaller("node_finished", told))
            self._done(cell, node)

    def node_failed(self, node: Node, error: RunnerError) -> None:
        for cell in self._open_owners(node):
            cell.failed = True
            cell.tell(methodcaller("node_failed", node, error))
            self._done(cell, node)

    def node_blocked(self, node: Node, needed: Node) -> None:
        for cell in self._open_owners(node):
            cell.failed = True
            self._done(cell, node)

    def stop(self, status: Status, error: RunnerError | None = None) -> None:
        """The sweep stops: cells that have begun end with this status."""
        for cell in self._cells:
            if cell.record is not None:
                if error is not None:
                    cell.record.failed(error)
                with contextlib.suppress(RunnerError):
                    cell.end(status)

    def _tell_loaded(self, node: Node) -> None:
        loaded = self._loaded.get(node.pipeline) if node.pipeline else None
        if loaded is None:
            return
        for cell in self._open_owners(node):
            if loaded.spec not in cell.loaded:
                cell.tell(methodcaller("pipeline_loaded", loaded))
                cell.loaded.add(loaded.spec)
                # The loading time counts for the first cell alone.
                loaded = self._loaded[loaded.spec] = replace(loaded, seconds=0.0)

    def _open_owners(self, node: Node) -> list[CellAtWork]:
        return [cell for cell in self._owners[node.key] if cell.status is None]

    def _is_own(self, node: Node, cell: CellAtWork) -> bool:
        """Whether no other cell has the node, or this one keeps its result."""
        return len(self._owners[node.key]) == 1 or node.key in cell.targets

    def _done(self, cell: CellAtWork, node: Node) -> None:
        cell.open.discard(node.key)
        if not cell.open:
            cell.ensure_record()  # where it has failed without a node of its own
            cell.end(Status.FAILED if cell.failed else Status.FINISHED)
            self._on_end(cell)
