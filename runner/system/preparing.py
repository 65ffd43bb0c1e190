"""Says how far a long preparation is: ten thousand cells take half a minute to plan."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS_UNTOLD, SECONDS_BETWEEN = 5.0, 5.0
"""How long nothing is said, and then until it is said again."""

MANY = 50
"""Cells from which on it is said: fewer take seconds, however slow the machine is."""
SILENT = ("quiet", "json")
"""Values of `progress` with which nobody reads lines."""


class Preparing:
    """Counts what is prepared; a line on standard error, now and then, once it takes long.

    Args:
        what: is done with the cells.
        cells: how many there are.
        progress: as the key `progress`.
    """

    def __init__(self, what: str, cells: int, progress: str) -> None:
        self._what = what
        self._cells = cells
        self._done = 0
        silent = progress in SILENT or cells < MANY
        self._next = float("inf") if silent else time.monotonic() + SECONDS_UNTOLD

    def step(self) -> None:
        """One more is prepared."""
        self._done += 1
        if time.monotonic() > self._next and self._done < self._cells:
            self._next = time.monotonic() + SECONDS_BETWEEN
            print(f"{self._what}: {self._done} of {self._cells} cells", file=sys.stderr, flush=True)


@contextmanager
def told_if_long(what: str, progress: str) -> Iterator[None]:
    """Say on standard error what is done in this context, once it takes long.

    Args:
        progress: as the key `progress`.
    """
    if progress in SILENT:
        yield
        return
    told = threading.Timer(SECONDS_UNTOLD, print, [what], {"file": sys.stderr, "flush": True})
    told.daemon = True
    told.start()
    try:
        yield
    finally:
        told.cancel()
