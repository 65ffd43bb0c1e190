"""The records of one run on disk, in order, and the two locks that say who is alive.

A spool is a folder `.spool/<run id>/`: `target.json` (where to deliver), `records.jsonl`,
`files/`, `delivered.json` (how far the writer came, and the MLflow run). A delivered spool is
removed. Locks are `flock`s: the system lets go of them however a process ends.
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class Target:
    """Where a run's records go.

    Attributes:
        uri: MLflow tracking URI; may hold credentials, so it is in no record.
        artifact_root: absolute; for a new experiment in a sqlite store. None: the server's choice.
        run_id: the runner's own id; a tag of the MLflow run, by which it is found again.
    """

    uri: str
    artifact_root: str | None
    experiment: str
    run_id: str
    run_name: str


@dataclass(frozen=True)
class Delivered:
    """How far a spool was delivered.

    Attributes:
        records: that many lines of records.jsonl are in MLflow.
        ended: the run has its final status there.
    """

    records: int = 0
    mlflow_run_id: str | None = None
    ended: bool = False


class Spool:
    """Takes records on the runner's side. Holds the runner's lock while it is open."""

    def __init__(self, output_dir: Path, target: Target) -> None:
        self.path = output_dir / SPOOLS / target.run_id
        try:
            (self.path / "files").mkdir(parents=True)
            # Before the target is there nobody takes the folder for a spool: no moment without
            # a lock in which a writer might think its runner dead.
            self._lock = hold(self.path / RUNNER_LOCK)
            self._records = (self.path / RECORDS).open("a", encoding="utf-8")
            descriptor = os.open(self.path / "target.json", os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(asdict(target), file)
        except OSError as error:
            raise TrackingError(f"cannot keep records in {self.path}: {error.strerror}") from error

    def append(self, kind: str, **content: Any) -> None:
        """Add a record. Raises TrackingError where the disk does not take it."""
        try:
            self._records.write(json.dumps({"kind": kind, **content}, ensure_ascii=False) + "\n")
            self._records.flush()
        except OSError as error:
            raise TrackingError(f"cannot keep records in {self.path}: {error.strerror}") from error

    def write_file(self, name: str, text: str) -> Path:
        """A text file that a record will name."""
        path = self.path / "files" / name
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise TrackingError(f"cannot keep records in {self.path}: {error.strerror}") from error
        return path

    def close(self) -> None:
        """No more records; the runner's lock is let go."""
        try:
            self._records.close()
        finally:
            self._lock.close()


def spools(output_dir: Path) -> list[Path]:
    """All spools with something left to deliver, oldest first."""
    folder = output_dir / SPOOLS
    found = folder.glob("*/target.json") if folder.is_dir() else ()
    return sorted((path.parent for path in found), key=lambda p: p.stat().st_mtime)


def read_target(spool: Path) -> Target:
    """Where a spool is to be delivered."""
    return Target(**json.loads((spool / "target.json").read_text()))


def read_records(spool: Path, start: int) -> Iterator[Mapping[str, Any]]:
    """Whole lines from the `start`-th on, as far as they are written now."""
    with (spool / RECORDS).open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file):
            if not line.endswith("\n"):
                return  # the runner is writing it, or was killed while it did
            if number >= start:
                yield json.loads(line)


def read_delivered(spool: Path) -> Delivered:
    """How far a spool was delivered."""
    try:
        return Delivered(**json.loads((spool / "delivered.json").read_text()))
    except FileNotFoundError:
        return Delivered()


def write_delivered(spool: Path, delivered: Delivered) -> None:
    """Remember how far a spool was delivered, in one step."""
    temporary = spool / ".delivered.json"
    temporary.write_text(json.dumps(asdict(delivered)))
    temporary.replace(spool / "delivered.json")


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
        hold(path).close()
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
