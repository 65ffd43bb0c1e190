"""The folder of a sweep: `sweep.json` and one folder per cell, from which it is resumed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import IO

from runner.config.cell import Cell
from runner.config.choices import Retry
from runner.errors import RunnerError, StorageError
from runner.planning.sweep import SweepPlan
from runner.recording.manifest import cell_status, has_whole_pictures
from runner.recording.sweep_record import LOCK, SWEEP, CellEntry, SweepRecord, find_sweep
from runner.runs.fingerprint import fingerprint, hash_of
from runner.system.files import below, fit_name, new_folder, slug
from runner.system.locks import hold
from runner.tracking.status import Status


class SweepFolder:
    """A sweep's folder, held by one process at a time.

    Attributes:
        before: the status of the earlier attempt, RUNNING where it was killed; None: there was
            none.

    Raises:
        RunnerError: another process is running the sweep.
    """

    def __init__(self, path: Path, record: SweepRecord, before: Status | None = None) -> None:
        self.path = path
        self.record = record
        self.before = before
        self._lock = _locked(path)
        self.save()

    @classmethod
    def open(cls, sweep: SweepPlan, output_dir: Path, resume: bool) -> SweepFolder:
        """Open the folder of an earlier attempt at the same sweep, or a new one."""
        fingerprints = [fingerprint(plan, sweep.axes.keys()) for plan in sweep.plans]
        whole = hash_of(fingerprints)
        if resume and (found := find_sweep(output_dir, whole)) is not None:
            path, record = found
            if len(record.cells) != len(sweep.cells):
                raise StorageError(
                    f"{path / SWEEP} is damaged: it has {len(record.cells)} cells, and the sweep "
                    f"{len(sweep.cells)}; resume=false begins another one"
                )
            # By position: the same cells may have other numbers in another command.
            cells = tuple(
                replace(entry, number=cell.number)
                for entry, cell in zip(record.cells, sweep.cells, strict=True)
            )
            again = replace(
                record, status=Status.RUNNING, attempts=record.attempts + 1, cells=cells
            )
            return cls(path, again, before=record.status)
        names = {plan.run.name for plan in sweep.plans}
        name = names.pop() if len(names) == 1 else "sweep"
        path = new_folder(output_dir, name)
        axes = sweep.axes
        entries = [
            CellEntry(cell.number, cell.overrides, _folder_name(cell, axes), own)
            for cell, own in zip(sweep.cells, fingerprints, strict=True)
        ]
        started = datetime.now().astimezone()
        return cls(
            path,
            SweepRecord(
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
            ),
        )

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

    def to_do(self, retry: Retry) -> list[CellEntry]:
        """The cells that lack images; with `failed` only those that failed."""
        wanted = {Status.FAILED} if retry is Retry.failed else set(Status) - {Status.FINISHED}
        return [cell for cell in self.record.cells if self.status(cell) in wanted]

    def status(self, cell: CellEntry) -> Status:
        """A cell's status; FINISHED only if its images exist with the recorded pixels."""
        status = self.recorded_status(cell)
        if status == Status.FINISHED and not has_whole_pictures(self.folder(cell)):
            return Status.PENDING
        return status

    def recorded_status(self, cell: CellEntry) -> Status:
        """A cell's status by its manifest alone."""
        return cell_status(self.folder(cell))

    def folder(self, cell: CellEntry) -> Path:
        """A cell's folder. Raises StorageError: a link of its name leads out of the sweep's."""
        return below(self.path, cell.folder)


def _locked(path: Path) -> IO[str]:
    try:
        return hold(path / LOCK)
    except BlockingIOError:
        raise RunnerError(
            f"this very sweep is being run by another process, in {path}; resume=false begins "
            "another one"
        ) from None
    except OSError as error:
        raise StorageError(f"cannot write {path / LOCK}: {error.strerror}") from error


def _folder_name(cell: Cell, axes: Mapping[str, Sequence[str]]) -> str:
    """A cell's number and its overrides, shortened: 0003_ddpm_guidance_scale-4."""
    said = []
    for override in cell.overrides:
        key, _, value = override.partition("=")
        if key in axes:
            name = key.lstrip("+").rpartition(".")[2] if "." in key else ""
            said.append(slug(f"{name} {value}"))
    return fit_name("_".join([f"{cell.number:04d}", *said])[:100].rstrip("-_."))
