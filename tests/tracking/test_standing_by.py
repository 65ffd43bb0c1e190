"""A writer that imports MLflow while its command is planned, and serves the session then."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.cli import main
from runner.config.hydra import app
from runner.tracking import writers
from runner.tracking.session import TrackingSession
from runner.tracking.status import Status
from runner.verbs import run
from runner.workers import host
from tracking.processes import commands, kill, parent_of, wait_until, writers_of


def standing() -> list[int]:
    """Process ids of the writers of this process that no output folder has."""
    return [
        pid for pid, command in commands().items()
        if b"runner.tracking.writer" in command and parent_of(pid) == os.getpid()
        and not Path(f"/proc/{pid}/fd/1").readlink().name.startswith("writer.log")
    ]  # fmt: skip


@pytest.fixture
def output_dir(tmp_path: Path, empty_store: Path) -> Iterator[Path]:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    assert standing() == []
    yield tmp_path
    writers.stand_down()


def delivered(output_dir: Path) -> list[int]:
    """Deliver a run. Gives the process ids of its writer."""
    session = TrackingSession(output_dir, None, "a")
    wait_until(lambda: writers_of(output_dir))
    found = writers_of(output_dir)
    session.begin("a", "name", "default")
    session.append("params", "a", params={"height": "64"})
    session.end("a", Status.FINISHED)
    assert session.close().keys() == {"a"}
    return found


def test_the_session_is_served_by_the_one_that_stands_by(
    output_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers.stand_by()
    wait_until(standing)
    before = standing()
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # as for an experiment that is a sweep
    session = TrackingSession(output_dir, None, "a")
    session.begin("a", "name", "default")
    wait_until(lambda: writers_of(output_dir) == before)
    wait_until((output_dir / ".spool" / "a" / "runs.jsonl").read_bytes)
    # It has imported what it needs, and neither of these is that.
    loaded = Path(f"/proc/{before[0]}/maps").read_text()
    assert "sqlalchemy" in loaded
    assert "/pandas/" not in loaded
    session.end("a", Status.FINISHED)
    assert session.close().keys() == {"a"}
    assert standing() == []


def test_one_that_died_meanwhile_is_replaced(output_dir: Path) -> None:
    writers.stand_by()
    wait_until(standing)
    (dead,) = standing()
    kill(dead)
    wait_until(lambda: standing() == [])
    assert dead not in delivered(output_dir)


def test_one_with_another_environment_is_replaced(
    output_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers.stand_by()
    wait_until(standing)
    (other,) = standing()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "set by a config")
    assert other not in delivered(output_dir)
    assert standing() == []


def test_it_ends_with_its_runner(output_dir: Path) -> None:
    writers.stand_by()
    wait_until(standing)
    writer, _ = writers._standing_by.pop()
    assert writer.stdin is not None
    writer.stdin.close()  # as the system does, however the runner ends
    assert writer.wait(60) == 0


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        ([], True),
        (["experiment=first_light"], True),
        (["tracking=none"], False),
        (["-m", "scheduler=ddim,ddpm"], False),
        (["--cfg", "job"], False),
    ],
    ids=str,
)
def test_it_is_begun_where_one_run_is_likely_to_be_tracked(
    arguments: list[str], begins: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[bool] = []
    monkeypatch.setattr(run, "cpu_cores", lambda: 2)
    monkeypatch.setattr(host, "stand_by", lambda _: None)
    monkeypatch.setattr(writers, "stand_by", lambda: begun.append(True))
    monkeypatch.setattr(app, "run_with_hydra", lambda *_: 0)
    assert main(arguments) == 0
    assert begun == [True] * begins
