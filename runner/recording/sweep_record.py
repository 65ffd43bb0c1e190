"""sweep.json: the record of a sweep's cells, status and attempts."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path

from runner.system.files import write_whole
from runner.system.locks import is_held
from runner.system.typed_json import FieldError, read_as, read_json
from runner.system.untrusted import Finite, Identifier, PlainName, UntrustedError, path_below
from runner.tracking.status import Status

SWEEP = "sweep.json"
LOCK = ".lock"
VERSION = 1


@dataclass(frozen=True)
class CellEntry:
    """A cell in `sweep.json`: its overrides, its folder's name, its fingerprint."""

    number: int
    overrides: tuple[str, ...]
    folder: PlainName
    fingerprint: str


@dataclass(frozen=True)
class SweepRecord:
    """`sweep.json`.

    Attributes:
        sweep_id: the runner's own.
        fingerprint: of all cells, in order; the same command gives the same one.
        status: RUNNING, FINISHED, FAILED or KILLED.
        attempts: how often it was started.
        runs: MLflow runs of the sweep itself, by experiment.
        command: runs the sweep again; "" in older records, which lack it.
        totals: counts and seconds of the attempts that have ended; not in the file before one has,
            nor in older records.
    """

    sweep_id: Identifier
    fingerprint: str
    name: str
    status: Status
    attempts: int
    started: str
    seconds: Finite
    axes: Mapping[str, Sequence[str]]
    runs: Mapping[str, str]
    cells: tuple[CellEntry, ...]
    command: str = ""
    totals: Mapping[str, Finite] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> SweepRecord:
        """Read `sweep.json` of a folder.

        Raises:
            OSError: it does not exist or cannot be read.
            FieldError: it is not JSON, or of another version; a field is missing, of another type,
                a name that leads out of the folder, or unknown: this runner would lose it when it
                writes the record.
        """
        file = folder / SWEEP
        content = read_json(file)
        if isinstance(content, dict):
            if content.get("version") != VERSION:
                raise FieldError("is of another version", file)
            known = {"version", *(own.name for own in fields(cls))}
            for name in content.keys() - known:
                raise FieldError(f"{name!r} is not known", file)
        return read_as(cls, content, file)

    def write(self, folder: Path) -> None:
        """Write it atomically. Raises StorageError where it cannot be written."""
        content = {"version": VERSION, **asdict(self)}
        if not self.totals:
            del content["totals"]
        text = json.dumps(content, indent=1, ensure_ascii=False)
        write_whole(folder / SWEEP, f"{text}\n".encode())


def find_sweep(output_dir: Path, fingerprint: str) -> tuple[Path, SweepRecord] | None:
    """The newest sweep with a fingerprint."""
    for path, record in reversed(list_sweeps(output_dir)):
        if record.fingerprint == fingerprint:
            return path, record
    return None


def list_sweeps(output_dir: Path) -> list[tuple[Path, SweepRecord]]:
    """All sweeps of an output folder, oldest first. Files that cannot be read are left out."""
    found = []
    for file in output_dir.glob(f"*/*/{SWEEP}"):
        if not file.parents[1].is_symlink():
            with contextlib.suppress(OSError, FieldError, UntrustedError):
                path_below(output_dir, file.relative_to(output_dir).as_posix())
                found.append((file.parent, SweepRecord.read(file.parent)))
    return sorted(found, key=lambda one: _moment(one[1].started))


def _moment(started: str) -> float:
    """A time as seconds since the epoch: clocks are set back, and folders come from other zones."""
    try:
        return datetime.fromisoformat(started).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def is_running(folder: Path) -> bool:
    """Whether a living process is running a sweep."""
    return is_held(folder / LOCK)
