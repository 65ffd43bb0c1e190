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
from tracking.processes import commands, kill, log_of, parent_of, wait_until, writers_of


def standing() -> list[int]:
    """Process ids of the writers of this process that no output folder has."""
    return [
        pid for pid, command in commands().items()
        if b"runner.tracking.writer" in command and parent_of(pid) == os.getpid()
        and not log_of(pid).name.startswith("writer.log")
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


@pytest.mark.parametrize("yielding", [False, True])
def test_the_session_is_served_by_the_one_that_stands_by(
    output_dir: Path, monkeypatch: pytest.MonkeyPatch, yielding: bool
) -> None:
    writers.stand_by(yielding=yielding)
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
    # What a terminal sends to the runner's group is not sent to it, from its beginning on; and it
    # is in the runner's session, within which the system compares priorities.
    assert os.getpgid(before[0]) == before[0]
    assert os.getsid(before[0]) == os.getsid(0)
    # Its priority is lower while it imports, not while it delivers.
    assert os.getpriority(os.PRIO_PROCESS, before[0]) == os.getpriority(os.PRIO_PROCESS, 0)
    session.end("a", Status.FINISHED)
    assert session.close().keys() == {"a"}
    assert standing() == []


def test_one_that_died_meanwhile_is_replaced(output_dir: Path) -> None:
    writers.stand_by(yielding=False)
    wait_until(standing)
    (dead,) = standing()
    kill(dead)
    wait_until(lambda: standing() == [])
    assert dead not in delivered(output_dir)


def test_one_with_another_environment_is_replaced(
    output_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers.stand_by(yielding=False)
    wait_until(standing)
    (other,) = standing()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "set by a config")
    assert other not in delivered(output_dir)
    assert standing() == []


def test_it_ends_with_its_runner(output_dir: Path) -> None:
    writers.stand_by(yielding=False)
    wait_until(standing)
    writer, _ = writers._standing_by.pop()
    assert writer.stdin is not None
    writer.stdin.close()  # as the system does, however the runner ends
    assert writer.wait(60) == 0


@pytest.mark.parametrize(
    ("arguments", "yields"),
    [
        ([], False),
        (["experiment=first_light"], False),
        (["tracking=none"], None),
        (["-m", "scheduler=ddim,ddpm"], True),
        (["axes.scheduler=[ddim,ddpm]"], True),
        (["-m", "tracking=none"], None),
        (["-m", "hydra/launcher=ray"], None),
        (["--cfg", "job"], None),
    ],
    ids=str,
)
def test_it_is_begun_where_a_command_is_likely_to_be_tracked(
    arguments: list[str], yields: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a sweep it leaves the time to workers, which import too."""
    begun: list[bool] = []
    monkeypatch.setattr(run, "cpu_cores", lambda: 2)
    monkeypatch.setattr(host, "stand_by", lambda _: None)
    monkeypatch.setattr(writers, "stand_by", lambda *, yielding: begun.append(yielding))
    monkeypatch.setattr(app, "run_with_hydra", lambda *_: 0)
    assert main(arguments) == 0
    assert begun == ([] if yields is None else [yields])
