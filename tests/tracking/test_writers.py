"""Writer processes over spools made by hand: several at once, killed, left by their runner."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from runner.tracking.database import make_database
from runner.tracking.delivered import Delivered, read_delivered, read_problem
from runner.tracking.spool import Target, spools
from runner.tracking.writer import deliver_left_behind
from tracking.processes import MLflow, wait_until
from tracking.spools_made import check_whole, filled, start_writer

pytestmark = pytest.mark.slow


def test_many_writers_make_one_fresh_store(tmp_path: Path, target: Target) -> None:
    """Of processes that open a fresh sqlite file at once, all but one fail in its migrations."""
    made = [
        filled(tmp_path, target, f"run-{number}", end=end)
        for number, end in enumerate(["FINISHED", None, "FAILED", "KILLED"])
    ]
    writers = [start_writer(spool, tmp_path / "nothing else here") for spool in made]
    for writer in writers:
        writer.communicate(timeout=120)
        assert writer.returncode == 0
    assert spools(tmp_path) == []
    runs = MLflow(tmp_path / "mlflow.db").runs()
    statuses = {run.data.tags["runner.run_id"]: run.info.status for run in runs}
    assert [statuses[spool.name] for spool in made] == ["FINISHED", "KILLED", "FAILED", "KILLED"]
    assert len(runs) == 4
    assert list(tmp_path.glob(".mlflow.db*")) == []


@pytest.mark.parametrize("kept", [False, True])
def test_a_writer_killed_while_it_makes_the_store_spoils_nothing(
    tmp_path: Path, target: Target, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within MLflow's migrations; or with the copy of a store that is kept for the user."""
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "cache"))
    if kept:
        make_database(replace(target, uri=f"sqlite:///{tmp_path / 'another.db'}"))
    spool = filled(tmp_path, target)
    writer = start_writer(spool, tmp_path)
    wait_until(lambda: half_made(tmp_path))
    writer.kill()
    writer.communicate()
    assert not (tmp_path / "mlflow.db").exists()
    assert len(list((tmp_path / "cache").glob("mlflow-*.db"))) == kept
    assert deliver_left_behind(tmp_path) == {}
    mlflow = MLflow(tmp_path / "mlflow.db")
    check_whole(mlflow, mlflow.run())
    assert list(tmp_path.glob(".mlflow.db*")) == []


def half_made(folder: Path) -> bool:
    """Whether a store that is not in place yet has tables, or is half a copy."""
    for file in folder.glob(".mlflow.db.*.new"):
        try:
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
                return bool(database.execute("select name from sqlite_master").fetchall())
        except sqlite3.OperationalError:  # it was put into place, or is locked
            return False
        except sqlite3.DatabaseError:
            return True
    return False


def test_a_writer_ends_when_its_runner_does(tmp_path: Path, target: Target) -> None:
    away = replace(target, uri="http://127.0.0.1:9", artifact_root=None)
    spool = filled(tmp_path, away)
    writer = start_writer(spool, tmp_path)
    wait_until(lambda: read_problem(spool))
    assert writer.poll() is None
    started = time.monotonic()
    writer.communicate()  # closes its standard input, as the end of the runner does
    assert writer.returncode == 0
    assert time.monotonic() - started < 60
    assert read_delivered(spool) == Delivered()
    assert spools(tmp_path) == [spool]
