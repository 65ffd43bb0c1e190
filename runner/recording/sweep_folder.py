"""The folder of a sweep: `sweep.json` and one folder a cell. What a resumed sweep goes by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from runner.config.cell import Cell
from runner.config.choices import Retry
from runner.errors import RunnerError, StorageError
from runner.images.png import whole_picture
from runner.planning.plan import Plan
from runner.planning.sweep import SweepPlan
from runner.recording.manifest import MANIFEST, read_manifest
from runner.system.files import new_folder, slug, write_whole
from runner.system.locks import hold, is_held

SWEEP = "sweep.json"
LOCK = ".lock"
VERSION = 1

NOT_IDENTITY = (
    "report",
    "resume",
    "retry",
    "workers",
    "progress",
    "debug",
    "output_dir",
    "threads",
)
"""Keys of the config that may change between a sweep and its resumption."""

PENDING, RUNNING, FINISHED, FAILED, KILLED = "PENDING", "RUNNING", "FINISHED", "FAILED", "KILLED"


@dataclass(frozen=True)
class CellEntry:
    """A cell in `sweep.json`: its overrides, its folder's name, what it would make."""

    number: int
    overrides: tuple[str, ...]
    folder: str
    fingerprint: str


@dataclass(frozen=True)
class SweepRecord:
    """`sweep.json`.

    Attributes:
        sweep_id: the runner's own.
        fingerprint: of all cells, in order: the same command has the same one.
        status: RUNNING, FINISHED, FAILED or KILLED.
        attempts: how often it was begun.
        runs: MLflow runs of the sweep itself, by experiment.
        command: what runs it; "" in records from before that was kept.
    """

    sweep_id: str
    fingerprint: str
    name: str
    status: str
    attempts: int
    started: str
    seconds: float
    axes: Mapping[str, Sequence[str]]
    runs: Mapping[str, str]
    cells: tuple[CellEntry, ...]
    command: str = ""


class SweepFolder:
    """A sweep's folder, held by one process at a time.

    Attributes:
        before: the status of an earlier attempt: RUNNING where that was killed; None: this is the
            first one.

    Raises:
        RunnerError: another process is at work on it.
    """

    def __init__(self, path: Path, record: SweepRecord, before: str | None = None) -> None:
        self.path = path
        self.record = record
        self.before = before
        self._lock = _locked(path)
        self.save()

    @classmethod
    def open(cls, sweep: SweepPlan, output_dir: Path, resume: bool) -> SweepFolder:
        """The folder of an earlier attempt at the same sweep, or a fresh one."""
        fingerprints = [fingerprint(plan, sweep.axes.keys()) for plan in sweep.plans]
        whole = _hash(fingerprints)
        if resume and (found := find(output_dir, whole)) is not None:
            path, record = found
            # By place: the same cells may have had other numbers in another command.
            cells = tuple(
                replace(entry, number=cell.number)
                for entry, cell in zip(record.cells, sweep.cells, strict=True)
            )
            again = replace(record, status=RUNNING, attempts=record.attempts + 1, cells=cells)
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
                status=RUNNING,
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
        """Write `sweep.json`. Raises StorageError where the disk does not take it."""
        write_record(self.path, self.record)

    def end(self, status: str, seconds: float, runs: Mapping[str, str]) -> None:
        """The last word on this attempt; lets go of the folder."""
        before = self.record
        self.record = replace(
            before, status=status, seconds=before.seconds + seconds, runs={**before.runs, **runs}
        )
        try:
            self.save()
        finally:
            self._lock.close()

    def to_do(self, retry: Retry) -> list[CellEntry]:
        """The cells that have not all their images, whole; with `failed` those that failed."""
        wanted = (FAILED,) if retry is Retry.failed else (PENDING, RUNNING, FAILED, KILLED)
        return [cell for cell in self.record.cells if self.status(cell) in wanted]

    def status(self, cell: CellEntry) -> str:
        """How far a cell came; FINISHED only if its images are there, pixel by pixel."""
        status = self.recorded_status(cell)
        if status == FINISHED and not _whole(self.path / cell.folder):
            return PENDING
        return status

    def recorded_status(self, cell: CellEntry) -> str:
        """How far a cell came, by its manifest alone."""
        return cell_status(self.path / cell.folder)

    def folder(self, cell: CellEntry) -> Path:
        return self.path / cell.folder


def cell_status(folder: Path) -> str:
    """Of a cell's folder, by its manifest alone; RUNNING also where its process was killed."""
    try:
        return str(read_manifest(folder)["status"])
    except (OSError, ValueError, KeyError):
        return PENDING


def _whole(folder: Path) -> bool:
    try:
        return all(
            whole_picture(folder / image["file"], image["sha256"]) is not None
            for image in read_manifest(folder)["images"]
        )
    except (OSError, ValueError, KeyError):
        return False


def lacks_mlflow_run(folder: Path) -> bool:
    """Whether a cell was recorded without the id of its MLflow run."""
    try:
        return read_manifest(folder)["mlflow_run_id"] is None
    except (OSError, ValueError, KeyError):
        return False


def note_mlflow_run(folder: Path, mlflow_run_id: str) -> None:
    """Put the id of a cell's MLflow run into its manifest, once it is known."""
    content = {**read_manifest(folder), "mlflow_run_id": mlflow_run_id}
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / MANIFEST, text.encode())


def fingerprint(plan: Plan, axes: Collection[str] = ()) -> str:
    """What decides a cell: the results that it asks for, and the config that it is logged with.

    Args:
        axes: keys that set its sweep's cells apart, whichever they are.
    """
    left_out = set(NOT_IDENTITY).difference(axes)
    config = {k: v for k, v in plan.run.composed.items() if k not in left_out}
    images = [(image.node.key, image.request.prompt, image.request.seed) for image in plan.images]
    return _hash([config, images])


def _hash(content: object) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def find(output_dir: Path, fingerprint: str) -> tuple[Path, SweepRecord] | None:
    """The newest sweep of a fingerprint."""
    for path, record in reversed(sweeps(output_dir)):
        if record.fingerprint == fingerprint:
            return path, record
    return None


def sweeps(output_dir: Path) -> list[tuple[Path, SweepRecord]]:
    """All sweeps of an output folder, oldest first. Files that cannot be read are left out."""
    found = []
    for file in output_dir.glob(f"*/*/{SWEEP}"):
        if not file.parents[1].is_symlink():
            try:
                found.append((file.parent, read_record(file.parent)))
            except (OSError, ValueError, TypeError, KeyError):
                continue
    return sorted(found, key=lambda one: one[1].started)


def read_record(folder: Path) -> SweepRecord:
    """`sweep.json` of a folder."""
    content: dict[str, Any] = json.loads((folder / SWEEP).read_text(encoding="utf-8"))
    if content.pop("version") != VERSION:
        raise ValueError(f"{folder / SWEEP} is of another version")
    cells = tuple(
        CellEntry(**{**cell, "overrides": tuple(cell["overrides"])}) for cell in content["cells"]
    )
    return SweepRecord(**{**content, "cells": cells})


def write_record(folder: Path, record: SweepRecord) -> None:
    """Write `sweep.json`, whole or not at all."""
    text = json.dumps({"version": VERSION, **asdict(record)}, indent=1, ensure_ascii=False)
    write_whole(folder / SWEEP, f"{text}\n".encode())


def is_running(folder: Path) -> bool:
    """Whether a process is at work on a sweep."""
    return is_held(folder / LOCK)


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
    """A number, and what sets the cell apart: 0003_ddpm_guidance_scale-4."""
    said = []
    for override in cell.overrides:
        key, _, value = override.partition("=")
        if key in axes:
            name = key.lstrip("+").rpartition(".")[2] if "." in key else ""
            said.append(slug(f"{name} {value}"))
    return "_".join([f"{cell.number:04d}", *said])[:100].rstrip("-_.")
