"""Handles Ctrl-C and SIGTERM: stop at once, or after the running stage."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from runner.errors import Interrupted

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    """Send SIGINT and SIGTERM to the handler; only the main thread may set it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in STOPPING}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextmanager
def hold_back() -> Iterator[None]:
    """Delay signals to the end of the context, so that its work is not cut off."""
    heard: list[int] = []
    try:
        # Not by a signal mask: a torch thread would get the signal, and this one still act on it.
        with signals(lambda number, _: heard.append(number)):
            yield
    finally:
        for number in heard:
            signal.raise_signal(number)


def interrupt(number: int, _: FrameType | None = None) -> None:
    """Stop at once. Raises Interrupted."""
    for stopping in STOPPING:  # a second one would only disturb the cleanup
        signal.signal(stopping, signal.SIG_IGN)
    raise Interrupted(number)


def leave(number: int, _: FrameType | None = None) -> None:
    """End the process at once, for work that leaves nothing behind.

    Some libraries turn an exception that comes while they parse or import into another one.
    """
    print("\ninterrupted", file=sys.stderr, flush=True)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(128 + number)


class StopBetweenStages:
    """A signal handler that lets the running stage finish; a second signal stops at once."""

    def __init__(self) -> None:
        self._number: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._number is not None:
            interrupt(number)
        self._number = number
        print(
            "\nstopping after the stage in hand; once more stops at once",
            file=sys.stderr,
            flush=True,
        )

    def check(self) -> None:
        """Call between two stages. Raises Interrupted if a signal came."""
        if self._number is not None:
            interrupt(self._number)
