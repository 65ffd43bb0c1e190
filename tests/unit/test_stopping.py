"""Signals that stop a run, and work that they do not interrupt."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from runner.errors import Interrupted
from runner.system.signals import STOPPING, hold_back, interrupt, signals


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOPPING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_is_heard_when_what_was_begun_is_done(number: signal.Signals) -> None:
    done: list[str] = []

    def both() -> None:
        with hold_back():
            done.append("first")
            signal.raise_signal(number)
            done.append("second")

    with signals(interrupt):
        with pytest.raises(Interrupted):
            both()
        assert done == ["first", "second"]


def test_without_a_signal_nothing_happens_and_handlers_are_back() -> None:
    with signals(interrupt):
        with hold_back():
            pass
        assert [signal.getsignal(number) for number in STOPPING] == [interrupt, interrupt]


def test_an_error_within_it_comes_out() -> None:
    with pytest.raises(ValueError, match="mine"), hold_back():
        raise ValueError("mine")
