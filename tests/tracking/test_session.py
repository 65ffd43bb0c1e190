"""A session's end: the writer delivers at once, and a dead writer delays nobody."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

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
