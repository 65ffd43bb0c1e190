"""A session's end: the writer delivers at once, and a dead writer delays nobody."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from runner.config.choices import Progress
from runner.recording.sessions import close_session
from runner.tracking import session as session_module
from runner.tracking.session import TrackingSession
from runner.tracking.status import Status
from tracking.processes import kill, wait_until, writers_of

SELDOM = f"""#!{sys.executable}
import sys
from runner.tracking import writer
writer.POLL_SECONDS = 100
sys.exit(writer.main(sys.argv[-2:]))
"""


def begun(output_dir: Path) -> TrackingSession:
    session = TrackingSession(output_dir, None, "a")
    session.begin("a", "name", "default")
    session.append("params", "a", params={"height": "64"})
    return session


@pytest.mark.slow
def test_a_writer_that_looks_seldom_looks_when_the_session_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(SELDOM)
    python.chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", str(python))
        session = begun(tmp_path)
    wait_until((tmp_path / "mlflow.db").exists)
    time.sleep(1)  # it has looked, and waits
    session.end("a", Status.FINISHED)
    started = time.monotonic()
    assert session.close().keys() == {"a"}
    assert time.monotonic() - started < 30
    assert session.problem is None


def test_one_whose_writer_is_dead_ends_all_the_same(tmp_path: Path) -> None:
    session = begun(tmp_path)
    wait_until(lambda: writers_of(tmp_path))
    (writer,) = writers_of(tmp_path)
    kill(writer)
    os.waitpid(writer, 0)
    session.end("a", Status.FINISHED)
    assert session.close() == {}
    assert (tmp_path / ".spool" / "a").is_dir()  # for `kandinsky sync`


def test_a_long_wait_is_told_and_ctrl_c_leaves_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session_module, "SECONDS_UNTOLD", 0.1)
    monkeypatch.setattr(session_module, "FINAL_WAIT_SECONDS", 600.0)
    session, usual = begun(tmp_path), signal.getsignal(signal.SIGINT)
    session.begin("b", "other", "default")
    wait_until(lambda: writers_of(tmp_path))
    (writer,) = writers_of(tmp_path)
    os.kill(writer, signal.SIGSTOP)

    def press() -> None:
        wait_until(lambda: signal.getsignal(signal.SIGINT) is not usual)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    try:
        assert close_session(session, tmp_path, Progress.lines) == {}
    finally:
        kill(writer)
        pressing.join()
    told, kept = capsys.readouterr().err.splitlines()
    assert told.startswith("MLflow: the records of 2 runs are still being delivered; Ctrl-C leaves")
    assert kept.startswith("MLflow: the records are kept; deliver them with:")
    assert kept.endswith(f"kandinsky sync {tmp_path}")
    assert signal.getsignal(signal.SIGINT) is usual


def test_the_wait_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "MOST_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(session_module, "FINAL_WAIT_SECONDS", 600.0)
    session = begun(tmp_path)
    wait_until(lambda: writers_of(tmp_path))
    (writer,) = writers_of(tmp_path)
    os.kill(writer, signal.SIGSTOP)
    assert session.close() == {}
    kill(writer)
    assert (tmp_path / ".spool" / "a").is_dir()
