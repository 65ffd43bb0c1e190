"""Several observers act as one."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from runner.engine.observer import Observer, Observers

CALLS = [name for name, _ in inspect.getmembers(Observer, inspect.isfunction)]


class Recorder(Observer):
    """Writes down any call of an observer's."""

    def __init__(self, name: str, told: list[tuple[Any, ...]]) -> None:
        for call in CALLS:
            setattr(self, call, lambda *given, call=call: told.append((name, call, *given)))


@pytest.mark.parametrize("call", CALLS)
def test_each_call_reaches_all_in_their_order(call: str) -> None:
    told: list[tuple[Any, ...]] = []
    given = tuple(inspect.signature(getattr(Observer(), call)).parameters)
    getattr(Observers([Recorder("first", told), Recorder("second", told)]), call)(*given)
    assert told == [("first", call, *given), ("second", call, *given)]
