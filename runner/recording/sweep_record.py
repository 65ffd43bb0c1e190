"""sweep.json: the record of a sweep's cells, status and attempts."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import IO

from runner.errors import ConfigError, StorageError
from runner.recording.manifest import Manifest
from runner.system.files import below, write_whole
from runner.system.locks import hold, is_held
from runner.system.typed_json import FieldError, read_as, read_json
from runner.system.untrusted import Finite, Identifier, PlainName, UntrustedError, path_below
from runner.tracking.status import Status

SWEEP = "sweep.json"
LOCK = ".lock"
VERSION = 1
LAST = "last"
"""Names the newest sweep."""
SHOWN = 5
"""How many sweeps an error names."""


@dataclass(frozen=True)
class CellEntry:
    """A cell in `sweep.json`: its overrides, its folder's name, its fingerprint."""

    number: int
    overrides: tuple[str, ...]
    folder: PlainName
    fingerprint: str


@dataclass(frozen=True)
class Part:
    """What one command added to a sweep.

    Attributes:
        command: as typed, but for its name; "" of a further batch of the same command.
        fingerprint: of its cells, in order.
        cells: their numbers.
    """

    command: str
    fingerprint: str
    started: str
    cells: tuple[int, ...]


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
        parts: the commands whose cells it has, the first one's too; not in the file where that is
            all.
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
    parts: tuple[Part, ...] = ()

    @property
    def commands(self) -> list[str]:
        """The commands that make it, one after the other."""
        first, *more = [part.command for part in self.parts if part.command] or [self.command]
        return [first, *(f"{command} into=last" for command in more)]

    def part(self, fingerprint: str) -> Part | None:
        """The part of a command by the fingerprint of its cells."""
        return next((part for part in self.parts if part.fingerprint == fingerprint), None)

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
        for name in ("totals", "parts"):
            if not content[name]:
                del content[name]
        text = json.dumps(content, indent=1, ensure_ascii=False)
        write_whole(folder / SWEEP, f"{text}\n".encode())


def find_sweep(output_dir: Path, fingerprint: str) -> tuple[Path, SweepRecord] | None:
    """The newest sweep with a fingerprint, or with a part that has it."""
    for path, record in reversed(list_sweeps(output_dir)):
        if record.fingerprint == fingerprint or record.part(fingerprint) is not None:
            return path, record
    return None


def named_sweep(output_dir: Path, named: str, key: str) -> tuple[Path, SweepRecord]:
    """The sweep of an output folder by its id, its name, its folder, or as the `last` one.

    Args:
        key: what names it, for the error.

    Raises:
        ConfigError: there is none, or several have the name.
    """
    found = list_sweeps(output_dir)
    if named == LAST and found:
        return found[-1]
    for path, record in found:
        if named == record.sweep_id or path in (output_dir / named, Path(named).resolve()):
            return path, record
    alike = [(path, record) for path, record in found if record.name == named]
    if len(alike) == 1:
        return alike[0]
    ids = [record.sweep_id for _, record in (alike or found)[-SHOWN:]]
    if alike:
        raise ConfigError(key, named, "is the name of several sweeps", ids)
    problem = f"is no sweep in {output_dir}"
    raise ConfigError(key, named, problem, [LAST, *ids] if ids else None)


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


def manifests_of(path: Path, entries: Iterable[CellEntry]) -> dict[int, Manifest]:
    """The manifests of a sweep's cells that have begun, by number."""
    found = {e.number: Manifest.read_if_whole(below(path, e.folder)) for e in entries}
    return {number: manifest for number, manifest in found.items() if manifest is not None}


def hold_sweep(folder: Path, key: str, value: object, *others: str) -> IO[str]:
    """Keep other commands off a sweep until the file is closed.

    Args:
        key: what named it, and its `value`, for the error.
        others: what else is allowed where it is held.

    Raises:
        ConfigError: another process runs or changes it.
        StorageError: its folder cannot be written.
    """
    try:
        return hold(folder / LOCK)
    except BlockingIOError:
        name = "" if str(value) == str(folder) else f"{folder} "
        allowed = "; or ".join(["the same command again when that process has ended", *others])
        problem = f"{name}is being run by another process"
        raise ConfigError(key, value, problem, allowed) from None
    except OSError as error:
        raise StorageError(f"cannot write {folder / LOCK}: {error.strerror}") from error


def is_running(folder: Path) -> bool:
    """Whether a living process is running a sweep."""
    return is_held(folder / LOCK)


def status_now(recorded: Status, alive: bool) -> Status:
    """The status of a sweep or of a cell: recorded as running by a process that is gone, it was
    killed.
    """
    return Status.KILLED if recorded == Status.RUNNING and not alive else recorded
