"""Clears what a kill within the removal of a delivered spool left of it."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from runner.errors import TrackingError
from runner.system.locks import is_held
from runner.tracking.delivered import DELIVERED, PROBLEM, RUNS
from runner.tracking.spool import (
    FILES,
    RECORDS,
    ROOM,
    RUNNER_LOCK,
    SPOOLS,
    TARGET,
    WRITER_LOCK,
    WRITER_LOG,
    check_spool,
    remove,
)

NAMES = {
    DELIVERED, FILES, PROBLEM, RECORDS, ROOM, RUNNER_LOCK, RUNS, TARGET, WRITER_LOCK, WRITER_LOG,
}  # fmt: skip
LOCKS = (RUNNER_LOCK, WRITER_LOCK)
OLD_SECONDS = 60.0
"""A younger one may be a spool that is being created, before its lock is held."""


def clear_remains(output_dir: Path) -> None:
    """Remove folders of spools that hold no records for anybody: target or records are gone.

    Only what nobody holds, and what has the runner's own names and no links in it.
    """
    folder = output_dir / SPOOLS
    if folder.is_symlink() or not folder.is_dir():
        return
    for one in folder.iterdir():
        with contextlib.suppress(OSError):
            if _is_remains(one):
                remove(one)


def _is_remains(spool: Path) -> bool:
    if spool.is_symlink() or not spool.is_dir():
        return False
    names = {entry.name for entry in spool.iterdir()}
    names = {name for name in names if not name.startswith(f".{PROBLEM}.")}  # half written
    if not names <= NAMES or names >= {TARGET, RECORDS}:
        return False
    if time.time() - spool.stat().st_mtime < OLD_SECONDS or any(is_held(spool / x) for x in LOCKS):
        return False
    try:
        check_spool(spool)
    except TrackingError:
        return False
    return True
