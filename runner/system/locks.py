"""Lock files, which the system releases however a process ends: they tell who is alive."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def hold(path: Path) -> IO[str]:
    """Take a lock file. Closing the file, or the end of the process, releases it.

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


@contextmanager
def lock_file(path: Path) -> Iterator[None]:
    """Hold a lock file for the time of the context, after whoever holds it now."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_held(path: Path) -> bool:
    """Whether a living process holds a lock file."""
    try:
        # Read only: the folder may be in removal, and must not get a new file.
        with path.open() as file:
            # Shared: two processes that check at once do not take each other for the holder.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
