"""The folder of a sweep: `sweep.json` and one folder per cell, from which it is resumed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import IO

from runner.config.choices import Retry
from runner.engine.results import Made
from runner.errors import ConfigError, StorageError
from runner.graph.node import Node
from runner.planning.plan import Plan
from runner.planning.sweep import SweepPlan, label_of
from runner.recording.manifest import Manifest, SavedImage, cell_status, has_whole_pictures
from runner.recording.sweep_record import (
    SWEEP,
    CellEntry,
    SweepRecord,
    find_sweep,
    hold_sweep,
    manifests_of,
)
from runner.runs.fingerprint import fingerprint, hash_of
from runner.runs.grown import given, grown_record, kept_images, lacking, shrinks
from runner.system.files import below, fit_name, new_folder, slug
from runner.tracking.status import Status


class SweepFolder:
    """A sweep's folder, held by one process at a time.

    Attributes:
        before: the status of the earlier attempt, RUNNING where it was killed; None: there was
            none.
        numbers: of the sweep's cells here, in its order.

    Raises:
        ConfigError: another process is running the sweep.
    """

    def __init__(
        self,
        sweep: SweepPlan,
        path: Path,
        record: SweepRecord,
        lock: IO[str],
        before: Status | None = None,
        numbers: Sequence[int] | None = None,
    ) -> None:
        self.path = path
        self.record = record
        self.before = before
        self.numbers = list(numbers or (cell.number for cell in sweep.cells))
        self._joins = sweep.joined is not None
        self._lock = lock
        self.save()

    @classmethod
    def open(cls, sweep: SweepPlan, output_dir: Path, resume: bool) -> SweepFolder:
        """Open the folder of the sweep that is joined, or of an earlier attempt at the same, or a
        new one.

        Raises:
            ConfigError: another process has it; or the sweep cannot grow so.
            StorageError: its record is damaged, or it cannot be made.
        """
        if sweep.joined is not None:
            path = sweep.joined.path
            lock = hold_sweep(path, "into", path)
            record = SweepRecord.read(path)
            return cls(
                sweep, path, grown_record(sweep, path, record, _folder_name), lock, record.status
            )
        fingerprints = [fingerprint(plan, sweep.axes.keys()) for plan in sweep.plans]
        whole = hash_of(fingerprints)
        if resume and (found := find_sweep(output_dir, whole)) is not None:
            path, _ = found
            other = "resume=false, which begins another sweep"
            lock, record = hold_sweep(path, "resume", "true", other), SweepRecord.read(path)
            again = replace(record, status=Status.RUNNING, attempts=record.attempts + 1)
            part = None if record.fingerprint == whole else record.part(whole)
            numbers = part.cells if part else tuple(cell.number for cell in record.cells)
            if len(numbers) != len(sweep.cells):
                raise StorageError(
                    f"{path / SWEEP} is damaged: it has {len(numbers)} cells, and the sweep "
                    f"{len(sweep.cells)}; resume=false begins another one"
                )
            return cls(sweep, path, again, lock, record.status, numbers)
        names = {plan.run.name for plan in sweep.plans}
        name = names.pop() if len(names) == 1 else "sweep"
        path = new_folder(output_dir, name)
        axes = sweep.axes
        entries = [
            CellEntry(
                cell.number, cell.overrides, _folder_name(cell.number, cell.overrides, axes), own
            )
            for cell, own in zip(sweep.cells, fingerprints, strict=True)
        ]
        started = datetime.now().astimezone()
        record = SweepRecord(
            sweep_id=f"{started:%Y%m%dT%H%M%S}-{whole[:8]}{path.name[19:].replace('_', '-')}",
            fingerprint=whole,
            name=name,
            status=Status.RUNNING,
            attempts=1,
            started=started.isoformat(timespec="seconds"),
            seconds=0.0,
            axes=axes,
            runs={},
            cells=tuple(entries),
            command=sweep.command,
        )
        return cls(sweep, path, record, hold_sweep(path, "output_dir", output_dir))

    def save(self) -> None:
        """Write `sweep.json`. Raises StorageError where it cannot be written."""
        self.record.write(self.path)

    def keep(self, seconds: float, totals: Mapping[str, float]) -> None:
        """Record what this attempt has done so far, should it be killed; skipped on a full disk.

        Args:
            totals: with those of earlier attempts.
        """
        with contextlib.suppress(StorageError):
            done = replace(self.record, seconds=self.record.seconds + seconds, totals=totals)
            done.write(self.path)

    def end(
        self, status: Status, seconds: float, runs: Mapping[str, str], totals: Mapping[str, float]
    ) -> None:
        """Record the end of this attempt and release the folder.

        Args:
            totals: with those of earlier attempts.
        """
        before = self.record
        self.record = replace(
            before,
            status=status,
            seconds=before.seconds + seconds,
            runs={**before.runs, **runs},
            totals=totals,
        )
        try:
            self.save()
        finally:
            self._lock.close()

    def to_do(self, plans: Mapping[int, Plan], retry: Retry) -> list[CellEntry]:
        """The cells that lack images; with `failed` only those that failed.

        Args:
            plans: of the cells to look at, by number.

        Raises:
            ConfigError: a cell has grown since, and its larger part is not finished.
        """
        wanted = {Status.FAILED} if retry is Retry.failed else set(Status) - {Status.FINISHED}
        return [
            cell
            for cell in self.record.cells
            if cell.number in plans and self.status(cell, plans[cell.number]) in wanted
        ]

    def status(self, cell: CellEntry, plan: Plan) -> Status:
        """A cell's status; FINISHED only if its images exist with the recorded pixels."""
        status = self.recorded_status(cell)
        if status == Status.FINISHED and not has_whole_pictures(self.folder(cell)):
            return Status.PENDING
        if status == Status.FINISHED and self._joins:
            manifest = Manifest.read_if_whole(self.folder(cell))
            return Status.PENDING if manifest is None or lacking(plan, manifest) else status
        if status != Status.FINISHED and self.record.parts and not self._joins:
            manifest = Manifest.read_if_whole(self.folder(cell))
            if manifest is not None and shrinks(plan, manifest):
                raise ConfigError(
                    "resume", "true",
                    f"cell {cell.number} has grown since and is not finished",
                    f"the command that it grew by: {self.record.commands[-1]}",
                )  # fmt: skip
        return status

    def given(self, plans: Mapping[int, Plan]) -> dict[Node, Callable[[], Made | None]]:
        """Of a sweep that has grown, the pictures in its folder: none of them is drawn anew."""
        found: dict[Node, Callable[[], Made | None]] = {}
        for cell in self.record.cells if self.record.parts else ():
            if cell.number in plans:
                found |= given(self.folder(cell), plans[cell.number])
        return found

    def kept(self, cell: CellEntry, plan: Plan) -> list[SavedImage]:
        """Of a sweep that has grown, the pictures of a cell that stay."""
        return kept_images(plan, self.folder(cell)) if self.record.parts else []

    def run_ids(self) -> dict[int, str]:
        """The runner's own ids of cells that were merged from other sweeps."""
        found = manifests_of(self.path, self.record.cells) if self.record.parts else {}
        return {number: manifest.run_id for number, manifest in found.items()}

    def labels(self) -> dict[int, str]:
        """By number, the values that distinguish a cell from the others."""
        axes = self.record.axes
        return {cell.number: label_of(cell.overrides, axes) for cell in self.record.cells}

    def recorded_status(self, cell: CellEntry) -> Status:
        """A cell's status by its manifest alone."""
        return cell_status(self.folder(cell))

    def folder(self, cell: CellEntry) -> Path:
        """A cell's folder. Raises StorageError: a link of its name leads out of the sweep's."""
        return below(self.path, cell.folder)


def _folder_name(number: int, overrides: Sequence[str], axes: Mapping[str, Sequence[str]]) -> str:
    """A cell's number and its overrides, shortened: 0003_ddpm_guidance_scale-4."""
    said = []
    for override in overrides:
        key, _, value = override.partition("=")
        if key in axes:
            name = key.lstrip("+").rpartition(".")[2] if "." in key else ""
            said.append(slug(f"{name} {value}"))
    return fit_name("_".join([f"{number:04d}", *said])[:100].rstrip("-_."))
