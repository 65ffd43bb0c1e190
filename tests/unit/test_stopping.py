"""Signals that stop a run, and work that they do not interrupt."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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


@pytest.mark.parametrize("number", STOPPING)
def test_a_plan_ends_at_once_and_says_so(tmp_path: Path, number: signal.Signals) -> None:
    """While it waits for a hub that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", "runner", "plan", "weights=hub"],
            env={
                **{name: value for name, value in os.environ.items() if "OFFLINE" not in name},
                "HF_ENDPOINT": endpoint,
                "HF_HUB_CACHE": str(tmp_path),
            },
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        silent.accept()[0].close()
        process.send_signal(number)
        assert process.communicate(timeout=30) == ("", "\ninterrupted\n")
    assert process.returncode == 128 + number
