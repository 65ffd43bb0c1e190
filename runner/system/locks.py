"""Lock files, which the system releases however a process ends: they tell who is alive."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def hold(path: Path) -> IO[str]:
    """Take a lock file. Closing the file, or the end of the process, releases it.

    Raises:
        BlockingIOError: another process holds it.
    """
    file = _opened(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise
    return file


def share(path: Path) -> IO[str]:
    """Hold a lock file together with others that share it, after whoever has it alone now.
    Closing the file, or the end of the process, releases it.
    """
    file = _opened(path)
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


@contextmanager
def lock_file(path: Path) -> Iterator[None]:
    """Hold a lock file for the time of the context, after whoever holds it now."""
    with _opened(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _opened(path: Path) -> IO[str]:
    # Not through a link, which would make a file wherever it leads.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o666), "a")


def is_held(path: Path) -> bool:
    """Whether a living process holds a lock file."""
    try:
        # Read only: the folder may be in removal, and must not get a new file.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
            # Shared: two processes that check at once do not take each other for the holder.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
