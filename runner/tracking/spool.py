"""The records of one run on disk, in order, and the two locks that say who is alive.

A spool is a folder `.spool/<run id>/`: `target.json` (where to deliver), `records.jsonl`,
`files/`, `delivered.json` (how far the writer came, and the MLflow run), `problem.txt` (why it came
no further). Only its owner may look into it. A delivered spool is removed.
Locks are `flock`s: the system lets go of them however a process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from runner.errors import TrackingError

SPOOLS = ".spool"
RECORDS = "records.jsonl"
RUNNER_LOCK = "runner.lock"
WRITER_LOCK = "writer.lock"
DELIVERED = "delivered.json"
DELIVERED_BYTES = 256
PROBLEM = "problem.txt"


@dataclass(frozen=True)
class Target:
    """Where a run's records go.

    Attributes:
        uri: MLflow tracking URI; may hold credentials, so it is in no record.
        artifact_root: absolute; for a new experiment in a sqlite store. None: the server's choice.
        run_id: the runner's own id; a tag of the MLflow run, by which it is found again.
        started_ms: when the run began, in milliseconds since 1970.
    """

    uri: str
    artifact_root: str | None
    experiment: str
    run_id: str
    run_name: str
    started_ms: int


@dataclass(frozen=True)
class Delivered:
    """How far a spool was delivered.

    Attributes:
        offset: records.jsonl is in MLflow up to this byte.
        ended: the run has its final status there.
    """

    offset: int = 0
    mlflow_run_id: str | None = None
    ended: bool = False


class Spool:
    """Takes records on the runner's side. Holds the runner's lock while it is open."""

    def __init__(self, output_dir: Path, target: Target) -> None:
        self.path = output_dir / SPOOLS / target.run_id
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700)
            (self.path / "files").mkdir()
            # Before the target is there nobody takes the folder for a spool: no moment without
            # a lock in which a writer might think its runner dead.
            self._lock = hold(self.path / RUNNER_LOCK)
            self._records = (self.path / RECORDS).open("ab", buffering=0)
            (self.path / DELIVERED).write_bytes(b" " * DELIVERED_BYTES)
            descriptor = os.open(self.path / "target.json", os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(asdict(target), file)
        except OSError as error:
            remove(self.path)
            raise TrackingError(self._cannot(error)) from error

    def append(self, kind: str, **content: Any) -> None:
        """Add a record, whole or not at all. Raises TrackingError where the disk does not take it.

        Others may follow a record that was not taken.
        """
        line = json.dumps({"kind": kind, **content}).encode() + b"\n"
        end = self._records.seek(0, os.SEEK_END)
        try:
            while line:
                line = line[self._records.write(line) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                self._records.truncate(end)
            raise TrackingError(self._cannot(error)) from error

    def write_file(self, name: str, text: str) -> Path:
        """A text file that a record will name."""
        path = self.path / "files" / name
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise TrackingError(self._cannot(error)) from error
        return path

    def close(self) -> None:
        """No more records; the runner's lock is let go."""
        self._records.close()
        self._lock.close()

    def _cannot(self, error: OSError) -> str:
        return f"cannot keep the records for MLflow in {self.path}: {error.strerror}"


def spools(output_dir: Path) -> list[Path]:
    """All spools with something left to deliver, oldest first."""
    folder = output_dir / SPOOLS
    found = folder.glob("*/target.json") if folder.is_dir() else ()
    return sorted((path.parent for path in found), key=lambda p: p.stat().st_mtime)


def read_target(spool: Path) -> Target:
    """Where a spool is to be delivered."""
    return Target(**json.loads((spool / "target.json").read_text()))


def read_records(spool: Path, offset: int) -> Iterator[tuple[Mapping[str, Any], int]]:
    """Records from a byte on, each with the byte after it, as far as they are written now."""
    with (spool / RECORDS).open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return  # the runner is writing it, or was killed while it did
            offset += len(line)
            yield json.loads(line), offset


def read_delivered(spool: Path) -> Delivered:
    """How far a spool was delivered."""
    try:
        return Delivered(**json.loads((spool / DELIVERED).read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        # Nothing yet, or damaged by a crash of the machine: delivering again changes nothing.
        return Delivered()


def write_delivered(spool: Path, delivered: Delivered) -> None:
    """Remember how far a spool was delivered."""
    # Over the bytes that are there since the spool was made: a full disk still takes it. A write
    # that is cut short is no harm, see `read_delivered`.
    with (spool / DELIVERED).open("r+b") as file:
        file.write(json.dumps(asdict(delivered)).encode().ljust(DELIVERED_BYTES))


def note_problem(spool: Path, text: str) -> None:
    """Remember why a spool was not delivered, as far as the disk takes it."""
    with contextlib.suppress(OSError):
        (spool / PROBLEM).write_text(text, encoding="utf-8")


def read_problem(spool: Path) -> str | None:
    """Why a spool was not delivered when it was last tried."""
    try:
        return (spool / PROBLEM).read_text(encoding="utf-8") or None
    except OSError:
        return None


def remove(spool: Path) -> None:
    """A spool whose run is complete in MLflow is no longer needed."""
    shutil.rmtree(spool, ignore_errors=True)


def hold(path: Path) -> IO[str]:
    """Take a lock file. Closing the file, or the end of the process, lets go of it.

    Raises:
        BlockingIOError: another process holds it.
    """
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise
    return file


def is_held(path: Path) -> bool:
    """Whether a living process holds a lock file."""
    try:
        # Read only: the folder may be on its way out, and nothing is to be made in it anew.
        with path.open() as file:
            # Shared: two processes that ask at once do not take each other for the holder.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
