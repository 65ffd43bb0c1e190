"""The writer's side alone, with spools made by hand: no model, a real sqlite store."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.tracking.spool import (
    WRITER_LOCK,
    Delivered,
    Spool,
    Target,
    note_run,
    read_delivered,
    read_problem,
    spools,
)
from runner.tracking.writer import deliver_left_behind
from tracking.processes import MLflow, wait_until

pytestmark = pytest.mark.slow


RUN = "20260101T000000-abcdef01"


def begin(
    spool: Spool,
    run: str = RUN,
    *,
    experiment: str = "by hand",
    parent: str | None = None,
    again: bool = False,
) -> None:
    spool.append(
        "run", run, name=run, experiment=experiment, parent=parent, again=again,
        time_ms=1_700_000_000_000,
    )  # fmt: skip


def filled(
    output_dir: Path,
    target: Target,
    run: str = RUN,
    *,
    end: str | None = "FINISHED",
    experiment: str = "by hand",
) -> Path:
    """A spool with a record of each kind, whose runner is gone."""
    spool = Spool(output_dir, run, target)
    begin(spool, run, experiment=experiment)
    spool.append("params", run, params={"a.b": "1", "long": "x" * 7000})
    spool.append("tags", run, tags={"colour": "red"})
    for step in range(3):
        metrics = {"seconds": step + 0.5}
        spool.append("metrics", run, metrics=metrics, time_ms=1_700_000_001_000 + step, step=step)
    text = spool.write_file(run, "note.txt", "a note")
    spool.append("file", run, path=str(text), folder="notes")
    table = spool.write_file(run, "images.json", json.dumps({"columns": ["seed"], "data": [[1]]}))
    spool.append("table", run, path=str(table))
    if end:
        spool.append("end", run, status=end, time_ms=1_700_000_009_000)
        spool.append("close")
    spool.close()
    return spool.path


def start_writer(spool: Path, output_dir: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "runner.tracking.writer", str(spool), str(output_dir)],
        stdin=subprocess.PIPE,
    )


def check_whole(mlflow: MLflow, run: Any) -> None:
    assert run.info.status == "FINISHED"
    assert (run.info.start_time, run.info.end_time) == (1_700_000_000_000, 1_700_000_009_000)
    assert run.data.params == {"a.b": "1", "long": "x" * 6000}
    assert run.data.tags["colour"] == "red"
    assert mlflow.values(run, "seconds") == [0.5, 1.5, 2.5]
    assert mlflow.artifacts(run) == {"notes", "images.json"}
    assert mlflow.artifacts(run, "notes") == {"notes/note.txt"}


def test_what_was_delivered_but_not_noted_is_there_once(tmp_path: Path, target: Target) -> None:
    """A writer may die between any record and the note of it."""
    spool = filled(tmp_path, target)
    copy = tmp_path / "copy"
    shutil.copytree(spool, copy)
    assert deliver_left_behind(tmp_path) == {}
    mlflow = MLflow(tmp_path / "mlflow.db")
    first = mlflow.run()
    for known in (False, True):
        shutil.copytree(copy, spool)
        (spool / WRITER_LOCK).touch()  # a writer was at it
        if known:
            note_run(spool, RUN, first.info.run_id)
        assert deliver_left_behind(tmp_path) == {}
        assert spools(tmp_path) == []
    again = mlflow.run()
    assert again.info.run_id == first.info.run_id
    check_whole(mlflow, again)


def test_records_without_an_end_are_of_a_killed_run(tmp_path: Path, target: Target) -> None:
    spool = filled(tmp_path, target, end=None)
    with (spool / "records.jsonl").open("a") as records:
        records.write('{"kind": "tags", "tags": {"half": "a li')  # killed while it wrote
    os.utime(spool / "records.jsonl", (1_700_000_005, 1_700_000_005))
    assert deliver_left_behind(tmp_path) == {}
    run = MLflow(tmp_path / "mlflow.db").run()
    assert (run.info.status, run.info.end_time) == ("KILLED", 1_700_000_005_000)
    assert run.data.tags["colour"] == "red"
    assert "half" not in run.data.tags
    assert spools(tmp_path) == []


def test_the_spool_of_a_living_run_is_left_alone(tmp_path: Path, target: Target) -> None:
    spool = Spool(tmp_path, RUN, target)
    assert deliver_left_behind(tmp_path) == {}
    assert spools(tmp_path) == [spool.path]
    assert not (tmp_path / "mlflow.db").exists()
    spool.close()


def test_a_damaged_spool_does_not_keep_the_others_back(tmp_path: Path, target: Target) -> None:
    for number, damage in enumerate(("target.json", "records.jsonl")):
        broken = filled(tmp_path, target, f"broken-{number}")
        (broken / damage).write_text('{"uri": \n')
    filled(tmp_path, target)
    problems = deliver_left_behind(tmp_path)
    assert problems.keys() == {"broken-0", "broken-1"}
    assert {spool.name for spool in spools(tmp_path)} == problems.keys()
    mlflow = MLflow(tmp_path / "mlflow.db")
    assert "FINISHED" in {run.info.status for run in mlflow.runs()}


def test_a_lost_note_of_progress_only_costs_time(tmp_path: Path, target: Target) -> None:
    spool = filled(tmp_path, target)
    (spool / "delivered.json").write_text("")  # a machine that lost its power
    assert deliver_left_behind(tmp_path) == {}
    mlflow = MLflow(tmp_path / "mlflow.db")
    check_whole(mlflow, mlflow.run())


def test_a_picture_that_was_deleted_meanwhile_is_named(tmp_path: Path, target: Target) -> None:
    spool = Spool(tmp_path, RUN, target)
    begin(spool)
    spool.append("file", RUN, path=str(tmp_path / "gone.png"), folder="images")
    spool.append("end", RUN, status="FINISHED", time_ms=1_700_000_009_000)
    spool.append("close")
    spool.close()
    assert deliver_left_behind(tmp_path) == {}
    run = MLflow(tmp_path / "mlflow.db").run()
    assert run.info.status == "FINISHED"
    assert run.data.tags["runner.missing_file"] == "gone.png"


@pytest.mark.parametrize("name", ["../../up", "/abs/olute", "..", "a b/ü"])
def test_no_experiment_name_leads_out_of_the_folder(
    tmp_path: Path, target: Target, name: str
) -> None:
    inside = tmp_path / "inside"
    there = replace(target, artifact_root=str(inside / "mlartifacts"))
    filled(inside, there, experiment=name)
    assert deliver_left_behind(inside) == {}
    mlflow = MLflow(tmp_path / "mlflow.db")
    run = mlflow.run()
    experiment = mlflow.client.get_experiment(run.info.experiment_id)
    assert experiment.name == name
    artifacts = [path for path in tmp_path.rglob("note.txt") if path.is_file()]
    assert len(artifacts) == 1
    assert artifacts[0].is_relative_to(inside / "mlartifacts")


def test_a_deleted_experiment_is_said(tmp_path: Path, target: Target) -> None:
    filled(tmp_path, target)
    assert deliver_left_behind(tmp_path) == {}
    experiments = MLflow(tmp_path / "mlflow.db").client
    experiment = experiments.get_experiment_by_name("by hand")
    experiments.delete_experiment(experiment.experiment_id)
    spool = filled(tmp_path, target, "another")
    problem = deliver_left_behind(tmp_path)["another"]
    assert "'by hand' was deleted" in problem
    assert read_problem(spool) == problem
    experiments.restore_experiment(experiment.experiment_id)
    assert deliver_left_behind(tmp_path) == {}


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


def test_a_writer_killed_within_the_migrations_spoils_nothing(
    tmp_path: Path, target: Target
) -> None:
    spool = filled(tmp_path, target)
    writer = start_writer(spool, tmp_path)
    wait_until(lambda: half_made(tmp_path))
    writer.kill()
    writer.communicate()
    assert not (tmp_path / "mlflow.db").exists()
    assert deliver_left_behind(tmp_path) == {}
    mlflow = MLflow(tmp_path / "mlflow.db")
    check_whole(mlflow, mlflow.run())


def statuses(tmp_path: Path) -> dict[str, str]:
    runs = MLflow(tmp_path / "mlflow.db").runs()
    return {run.data.tags["runner.run_id"]: run.info.status for run in runs}


def test_children_of_a_killed_sweep_end_as_they_were(tmp_path: Path, target: Target) -> None:
    spool = Spool(tmp_path, "sweep", target)
    begin(spool, "sweep")
    begin(spool, "done", parent="sweep")
    begin(spool, "open", parent="sweep")
    spool.append("end", "done", status="FINISHED", time_ms=1_700_000_009_000)
    spool.close()
    assert deliver_left_behind(tmp_path) == {}
    assert statuses(tmp_path) == {"sweep": "KILLED", "done": "FINISHED", "open": "KILLED"}
    runs = {r.data.tags["runner.run_id"]: r for r in MLflow(tmp_path / "mlflow.db").runs()}
    parents = {name: run.data.tags.get("mlflow.parentRunId") for name, run in runs.items()}
    sweep = runs["sweep"].info.run_id
    assert parents == {"sweep": None, "done": sweep, "open": sweep}


def test_a_resumed_sweep_goes_on_with_its_runs(tmp_path: Path, target: Target) -> None:
    """Whatever the order in which the spools of its attempts are found."""
    first = Spool(tmp_path, "sweep", target)
    begin(first, "sweep")
    first.append("params", "sweep", params={"threads": "1"})
    first.close()
    second = Spool(tmp_path, "sweep.2", target)
    begin(second, "sweep", again=True)
    second.append("params", "sweep", params={"threads": "2", "more": "x"})
    second.append("end", "sweep", status="FINISHED", time_ms=1_700_000_009_000)
    second.append("close")
    second.close()
    os.utime(first.path, (2e9, 2e9))  # the later one is found first
    assert deliver_left_behind(tmp_path) == {}
    run = MLflow(tmp_path / "mlflow.db").run()
    assert run.info.status == "FINISHED"
    assert "runner.ended" not in run.data.tags
    assert run.data.params == {"threads": "1", "more": "x"}
    assert json.loads(run.data.tags["runner.resumed_with"]) == {"threads": "2"}
    assert spools(tmp_path) == []


def half_made(folder: Path) -> bool:
    for file in folder.glob(".mlflow.db.*.new"):
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
            return bool(database.execute("select name from sqlite_master").fetchall())
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


SECRETS: Mapping[str, str] = {
    "http://someone:p%40ssw0rd@127.0.0.1:9/": "ssw0rd",
    "http://a-bare-token@127.0.0.1:9": "a-bare-token",
    "postgresql://someone:p%40ssw0rd@127.0.0.1:9/db?sslpassword=another": "ssw0rd",
}


@pytest.mark.parametrize("uri", SECRETS)
def test_a_problem_is_told_without_credentials(tmp_path: Path, target: Target, uri: str) -> None:
    spool = filled(tmp_path, replace(target, uri=uri, artifact_root=None))
    (problem,) = deliver_left_behind(tmp_path).values()
    assert problem
    assert SECRETS[uri] not in problem
    assert "another" not in problem
    texts = {path: path.read_text() for path in spool.rglob("*") if path.is_file()}
    holders = [path.name for path, text in texts.items() if SECRETS[uri] in text]
    assert holders == ["target.json"]
    assert (spool / "target.json").stat().st_mode & 0o777 == 0o600
    assert spool.stat().st_mode & 0o777 == 0o700
