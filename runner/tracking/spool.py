"""The spool: a command's records on disk, in order, with locks held by runner and writer.

A spool is a folder `.spool/<name>/`: `target.json` (where to deliver), `records.jsonl` (each names
the run that it belongs to), `files/`, `runs.jsonl` (which MLflow run each became),
`delivered.json` (how far the writer is), `problem.txt` (why it got no further), `room` (disk
space reserved for the end records of runs that fail because the disk is full).
Only its owner may read it. A delivered spool is removed.

A spool is named after its run, or its sweep and the attempt at it: `<sweep id>`, `<sweep id>.2`.
Those of one sweep are delivered one after the other, as they concern the same MLflow runs.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runner.catalog.tracking import is_own_store, own_store
from runner.errors import TrackingError
from runner.system.locks import hold
from runner.system.typed_json import read_as, read_json
from runner.system.untrusted import UntrustedError, path_below, true_path
from runner.tracking.delivered import DELIVERED, DELIVERED_BYTES, RUNS, read_delivered

SPOOLS = ".spool"
TARGET = "target.json"
RECORDS = "records.jsonl"
RUNNER_LOCK = "runner.lock"
WRITER_LOCK = "writer.lock"
ROOM = "room"
FILES = "files"
WRITER_LOG = "writer.log"

AXIS = "axis."
"""How the parameters of a sweep's axes begin."""
LAST_WORDS = ("tags", "end", "close")
"""Records that tell how a run ended and why; reserved space is freed for these."""

ROOM_BYTES = 32 * 1024
PAGE_BYTES = 4096
"""Bytes of a page, the unit in which file systems allocate."""


@dataclass(frozen=True)
class Target:
    """Where records are delivered.

    Attributes:
        uri: MLflow tracking URI; may hold credentials, so no record contains it.
        artifact_root: absolute; for a new experiment in a sqlite store. None: the server's choice.
    """

    uri: str
    artifact_root: str | None


class Spool:
    """The runner's side: appends records, and holds the runner's lock while open."""

    def __init__(self, output_dir: Path, name: str, target: Target) -> None:
        self.path = output_dir / SPOOLS / name
        if self.path.parent.is_symlink():
            raise TrackingError(f"{self.path.parent} is a link: no records are written there")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700)
            (self.path / FILES).mkdir()
            # The folder counts as a spool only once the target exists. By then the lock is held, so
            # no writer takes the runner for dead.
            self._lock = hold(self.path / RUNNER_LOCK)
            self._records = (self.path / RECORDS).open("ab", buffering=0)
            (self.path / DELIVERED).write_bytes(b" " * DELIVERED_BYTES)
            (self.path / RUNS).touch()
            (self.path / ROOM).write_bytes(b" " * ROOM_BYTES)
            descriptor = os.open(self.path / TARGET, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(asdict(target), file)
        except OSError as error:
            remove(self.path)
            raise TrackingError(self._cannot(error)) from error

    def append(self, kind: str, run: str | None = None, **content: Any) -> None:
        """Add a record, whole or not at all. Raises TrackingError where it cannot be written.

        Further records may follow one that was lost.

        Args:
            run: the runner's own id of the run it belongs to; None: the whole spool.
        """
        line = json.dumps({"kind": kind, "run": run, **content}).encode() + b"\n"
        while True:
            try:
                return self._append(line)
            except OSError as error:
                full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                if not (full and kind in LAST_WORDS and self._give_room()):
                    raise TrackingError(self._cannot(error)) from error

    def _append(self, line: bytes) -> None:
        end = self._records.seek(0, os.SEEK_END)
        try:
            while line:
                line = line[self._records.write(line) :]
        except OSError:
            with contextlib.suppress(OSError):
                self._records.truncate(end)
            raise

    def _give_room(self) -> bool:
        """Free one page of the reserved space, no more: other records need it too."""
        room = self.path / ROOM
        left = room.stat().st_size
        os.truncate(room, max(left - PAGE_BYTES, 0))
        return left > 0

    def write_file(self, run: str, name: str, text: str) -> Path:
        """Write a text file that a record will name. Raises TrackingError."""
        path = self.path / FILES / run / name
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise TrackingError(self._cannot(error)) from error
        return path

    def place_of(self, run: str, path: Path) -> str:
        """How a record names a file: by its path from the output folder, which may be moved. A
        file from elsewhere is copied into the spool. Raises TrackingError.
        """
        output_dir, place = true_path(self.path.parents[1]), true_path(path)
        if not place.is_relative_to(output_dir):
            place = self.path.resolve() / FILES / run / path.name
            try:
                place.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, place)
            except OSError as error:
                raise TrackingError(self._cannot(error)) from error
        return place.relative_to(output_dir).as_posix()

    def close(self) -> None:
        """Close the records and release the runner's lock."""
        self._records.close()
        self._lock.close()

    def _cannot(self, error: OSError) -> str:
        return f"cannot keep the records for MLflow in {self.path}: {error.strerror}"


def spools(output_dir: Path) -> list[Path]:
    """All spools with something left to deliver, oldest first. A link is none."""
    folder = output_dir / SPOOLS
    found = folder.glob(f"*/{TARGET}") if folder.is_dir() and not folder.is_symlink() else ()
    own = (path.parent for path in found if not path.parent.is_symlink())
    return sorted(own, key=lambda p: p.stat().st_mtime)


def predecessors(spool: Path) -> list[Path]:
    """Spools of earlier attempts at the same sweep, oldest first: they are delivered before it."""
    sweep, number = _attempt(spool)
    earlier = [other for other in spool.parent.glob(f"{sweep}*") if other != spool]
    named = {_attempt(other)[1]: other for other in earlier if _attempt(other)[0] == sweep}
    return [named[n] for n in sorted(named) if n < number and (named[n] / TARGET).exists()]


def _attempt(spool: Path) -> tuple[str, int]:
    sweep, _, number = spool.name.partition(".")
    return sweep, int(number) if number.isdecimal() else 1


def read_target(spool: Path) -> Target:
    """Read where a spool is to be delivered. Raises FieldError."""
    file = spool / TARGET
    target = read_as(Target, read_json(file), file)
    if is_own_store(target.uri, target.artifact_root):
        # The folder's own store is the one in it, also where it was moved since.
        return Target(*own_store(spool.parents[1]))
    return target


def check_spool(spool: Path) -> None:
    """Check that a spool holds files and folders alone, no links or pipes.

    Raises:
        TrackingError: it was not written by the runner.
    """
    for folder, names, files in os.walk(spool):
        for name in (*names, *files):
            mode = Path(folder, name).lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise TrackingError(f"{Path(folder, name)} is no regular file: not delivered")


def read_records(spool: Path, offset: int) -> Iterator[tuple[Mapping[str, Any], int]]:
    """The complete records from a byte offset on, each with the offset of the byte after it."""
    with (spool / RECORDS).open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return  # half a record: being written, or the runner was killed
            offset += len(line)
            yield json.loads(line), offset


def runs_left(spool: Path) -> int:
    """How many runs have records that are not delivered yet."""
    try:
        records = read_records(spool, read_delivered(spool).offset)
        return len({record["run"] for record, _ in records if record["run"] is not None})
    except (OSError, ValueError):
        return 0  # the writer has removed it meanwhile


def file_of_record(output_dir: Path, named: str) -> Path | None:
    """The file that a record names; None where it is not one of the output folder."""
    # Records of earlier versions name the whole path.
    for folder in (output_dir, output_dir.resolve()):
        named = named.removeprefix(f"{folder}/")
    try:
        return path_below(output_dir, named)
    except UntrustedError:
        return None


def remove(spool: Path) -> None:
    """Remove a spool whose runs are complete in MLflow.

    Its target first: what a kill within the removal leaves is no spool any more.
    """
    with contextlib.suppress(OSError):
        (spool / TARGET).unlink()
    shutil.rmtree(spool, ignore_errors=True)


def open_runs(spool: Path) -> list[str]:
    """Runs that have begun and not ended; children before the parent, which began first."""
    runs: dict[str, None] = {}
    for record, _ in read_records(spool, 0):
        if record["kind"] == "run":
            runs[record["run"]] = None
        elif record["kind"] == "end":
            runs.pop(record["run"], None)
    return [*reversed(runs)]
