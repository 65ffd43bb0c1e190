"""Errors become messages and exit statuses."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runner.errors import (
    ConfigError,
    Interrupted,
    NonFiniteError,
    StorageError,
    TrackingError,
    WeightsError,
)
from runner.system.exit import report_errors


def raising(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ConfigError("key", 1, "wrong"), 2, "error: key=1: wrong\n"),
        (WeightsError("key", 1, "wrong"), 2, "error: key=1: wrong\n"),
        (NonFiniteError("black"), 1, "error: black\n"),
        (StorageError("full"), 1, "error: full\n"),
        (TrackingError("away"), 1, "error: away\n"),
        (Interrupted(signal.SIGTERM), 143, "\nstopped by SIGTERM; what was made is kept\n"),
        (Interrupted(signal.SIGINT), 130, "\nstopped by SIGINT; what was made is kept\n"),
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_said(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, message: str
) -> None:
    assert report_errors(lambda: raising(error)) == status
    assert capsys.readouterr() == ("", message)


def test_a_status_is_handed_on() -> None:
    assert report_errors(lambda: 7) == 7


def test_debug_adds_the_traceback_and_keeps_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_errors(lambda: raising(ConfigError("key", 1, "wrong")), debug=True) == 2
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert said.endswith("error: key=1: wrong\n")


def test_other_exceptions_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        report_errors(lambda: raising(ZeroDivisionError()))


def test_a_reader_that_went_away_is_no_traceback(tmp_path: Path) -> None:
    # Much more than a pipe holds, so that the write really meets the closed end.
    prompts = ",".join(f"prompt number {n}" for n in range(2000))
    with subprocess.Popen(
        [sys.executable, "-m", "runner", "plan", f"prompt=[{prompts}]"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "BrokenPipe" not in said
