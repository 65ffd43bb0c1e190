"""The writer's side alone, with spools made by hand: no model, a real sqlite store."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from runner.system.locks import hold
from runner.tracking.delivered import (
    Delivered,
    note_run,
    read_delivered,
    read_problem,
    write_delivered,
)
from runner.tracking.places import remember_place
from runner.tracking.spool import RUNNER_LOCK, WRITER_LOCK, Spool, Target, read_records, spools
from runner.tracking.writer import deliver_left_behind
from runner.verbs.sync import main as sync
from tracking.processes import MLflow, wait_until
from tracking.spools_made import RUN, begin, check_whole, filled, start_writer

pytestmark = pytest.mark.slow


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
    remember_place(there.uri)
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


@pytest.mark.parametrize("recreated", [False, True])
def test_a_database_that_was_deleted_gets_all_again(
    tmp_path: Path, target: Target, recreated: bool
) -> None:
    """The writer was killed too, with half of the records delivered."""
    if recreated:
        filled(tmp_path, target, "another")
        assert deliver_left_behind(tmp_path) == {}
    spool = filled(tmp_path, target)
    note_run(spool, RUN, "0" * 32)
    (_, first), *_ = read_records(spool, 0)
    write_delivered(spool, Delivered(first))
    assert deliver_left_behind(tmp_path) == {}
    mlflow = MLflow(tmp_path / "mlflow.db")
    (run,) = (run for run in mlflow.runs() if run.data.tags["runner.run_id"] == RUN)
    check_whole(mlflow, run)
    assert spools(tmp_path) == []


def test_a_database_deleted_under_the_writer_gets_all_again(tmp_path: Path, target: Target) -> None:
    spool = Spool(tmp_path, RUN, target)
    begin(spool)
    spool.append("tags", RUN, tags={"colour": "red"})
    writer = start_writer(spool.path, tmp_path)
    size = (spool.path / "records.jsonl").stat().st_size
    wait_until(lambda: read_delivered(spool.path).offset == size)
    (tmp_path / "mlflow.db").unlink()
    spool.append("tags", RUN, tags={"later": "yes"})
    spool.append("end", RUN, status="FINISHED", time_ms=1_700_000_009_000)
    spool.append("close")
    wait_until(lambda: read_delivered(spool.path).ended)
    assert "was deleted or replaced" in (read_problem(spool.path) or "")
    spool.close()
    writer.communicate(timeout=60)
    run = MLflow(tmp_path / "mlflow.db").run()
    assert run.info.status == "FINISHED"
    assert {"colour": "red", "later": "yes"}.items() <= run.data.tags.items()


def test_a_read_only_database_says_so(tmp_path: Path, target: Target) -> None:
    filled(tmp_path, target)
    assert deliver_left_behind(tmp_path) == {}
    store = (tmp_path / "mlflow.db").rename(tmp_path / "other.db")
    filled(tmp_path, replace(target, uri=f"sqlite:///{store}"), "another")

    def protect(connection: Any, _: object) -> None:
        connection.execute("PRAGMA query_only=ON")  # root may write any file

    event.listen(Engine, "connect", protect)
    try:
        (problem,) = deliver_left_behind(tmp_path).values()
    finally:
        event.remove(Engine, "connect", protect)
    assert problem == f"the database refuses to be written, it is read-only: {store}"


def test_half_removed_spools_are_cleared(tmp_path: Path, target: Target) -> None:
    def half(name: str, gone: str = "target.json") -> Path:
        spool = filled(tmp_path, target, name)
        (spool / gone).unlink()
        return spool

    cleared = [half("a"), half("b", "records.jsonl")]
    kept = [half("strange"), half("linked"), half("held"), half("young")]
    (kept[0] / "thesis.txt").touch()
    (kept[1] / "files" / "x").symlink_to(tmp_path)
    for spool in (*cleared, *kept[:3]):
        os.utime(spool, (0, 0))
    with closing(hold(kept[2] / RUNNER_LOCK)):
        assert sync([str(tmp_path)]) == 0
    assert sorted((tmp_path / ".spool").iterdir()) == sorted(kept)


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
    first.append("params", "sweep", params={"threads": "1", "workers": "2", "axis.prompt": "'a'"})
    first.close()
    second = Spool(tmp_path, "sweep.2", target)
    begin(second, "sweep", again=True)
    second.append("params", "sweep", params={"threads": "2", "more": "x", "axis.prompt": "a"})
    nothing_chosen = {"workers": "auto", "offload.mode": "auto"}
    second.append("params", "sweep", params=nothing_chosen, if_missing=True)
    second.append("end", "sweep", status="FINISHED", time_ms=1_700_000_009_000)
    second.append("close")
    second.close()
    os.utime(first.path, (2e9, 2e9))  # the later one is found first
    assert deliver_left_behind(tmp_path) == {}
    run = MLflow(tmp_path / "mlflow.db").run()
    assert run.info.status == "FINISHED"
    assert "runner.ended" not in run.data.tags
    assert run.data.params == {
        "threads": "1", "more": "x", "axis.prompt": "'a'", "workers": "2", "offload.mode": "auto",
    }  # fmt: skip
    assert json.loads(run.data.tags["runner.resumed_with"]) == {"threads": "2"}
    assert spools(tmp_path) == []


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
