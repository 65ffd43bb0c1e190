"""Calls functions at once, in threads: for work that releases Python's lock, such as hashing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def call_together(calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Call each in a thread of its own. Gives what they returned or raised, in their order.

    Nobody waits for these threads where the program ends before, as by Ctrl-C.
    """
    found: dict[int, T | Exception] = {}

    def call(place: int) -> None:
        (found[place],) = call_in_turn([calls[place]])

    threads = [threading.Thread(target=call, args=(n,), daemon=True) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[place] for place in range(len(calls))]


def call_in_turn(calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Call one after the other. Gives what they returned or raised, in their order."""
    found: list[T | Exception] = []
    for call in calls:
        try:
            found.append(call())
        except Exception as error:
            found.append(error)
    return found
