"""Care of the store on disk: its size, removing old entries, finding damaged ones.

Other processes may use the store meanwhile: an entry is removed in one step, and a stage whose
entry was removed is run again.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.engine.store import ENTRY, drop
from runner.system.untrusted import parse_json, read_regular

ABANDONED_SECONDS = 24 * 3600
"""A temporary folder this old belongs to a process that was killed."""


@dataclass(frozen=True)
class StoredEntry:
    """A result on disk. `used`: when it was last written or read, in seconds since 1970."""

    path: Path
    stage: str
    bytes: int
    used: float


@dataclass(frozen=True)
class Trimmed:
    """What `trim` removed."""

    removed: int
    freed_bytes: int


def stored_entries(folder: Path) -> list[StoredEntry]:
    """All complete entries of a store, least recently used first."""
    return sorted(_entries(folder), key=lambda entry: entry.used)


def _entries(folder: Path) -> Iterator[StoredEntry]:
    for record in folder.glob(f"[0-9a-f][0-9a-f]/*/{ENTRY}"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            stage = str(parse_json(read_regular(record))["stage"])
            sizes = [file.stat().st_size for file in record.parent.iterdir()]
            yield StoredEntry(record.parent, stage, sum(sizes), record.stat().st_mtime)


def trim(folder: Path, most_bytes: int, used_before: float | None = None) -> Trimmed:
    """Remove the least recently used entries until the store has at most `most_bytes`.

    Args:
        used_before: seconds since 1970; entries used since then stay, whatever the bound.
    """
    _remove_abandoned(folder)
    entries = stored_entries(folder)
    size = sum(entry.bytes for entry in entries)
    removed = freed = 0
    for entry in entries:
        if size - freed <= most_bytes or (used_before is not None and entry.used >= used_before):
            break
        drop(entry.path)
        removed += 1
        freed += entry.bytes
    return Trimmed(removed, freed)


def damaged_entries(folder: Path) -> list[Path]:
    """Entries whose bytes do not match their recorded hash."""
    return [entry.parent for entry in folder.glob(f"[0-9a-f][0-9a-f]/*/{ENTRY}") if _bad(entry)]


def _bad(entry: Path) -> bool:
    try:
        expected = parse_json(read_regular(entry))["sha256"]
        (result,) = entry.parent.glob("result.*")
        return bool(hashlib.sha256(read_regular(result)).hexdigest() != expected)
    except FileNotFoundError:
        return entry.parent.exists()  # otherwise another process removed it meanwhile
    except (OSError, ValueError, KeyError, TypeError):
        return True


def _remove_abandoned(folder: Path) -> None:
    for left in folder.glob("[0-9a-f][0-9a-f]/.*-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
