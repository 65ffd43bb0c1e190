"""Runs that are stopped or killed: finished images are kept, and MLflow has the status."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from helpers.preloaded import Forked
from tracking.processes import MLflow, Workplace, ended, kill, wait_until, writers_of

pytestmark = pytest.mark.slow

LONG = ("seeds=[0,1,2,3,4,5,6,7,8,9,10,11]", "decoder.num_inference_steps=10")


def started_and_half_way(place: Workplace) -> tuple[Forked, int]:
    """A long run that has made a picture, and the process id of its writer."""
    process = place.start_run(*LONG)
    wait_until(lambda: place.images or process.poll() is not None)
    assert process.poll() is None, ended(process)
    (writer,) = writers_of(place.outputs)
    return process, writer


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_keeps_what_it_made(
    place: Workplace, number: signal.Signals, status: int
) -> None:
    process, _ = started_and_half_way(place)
    process.send_signal(number)
    process.send_signal(number)  # an impatient second one disturbs nothing
    returned, output = place.delivered(process)
    assert returned == status, output
    assert f"stopped by {number.name}" in output
    assert "Traceback" not in output
    assert place.manifest["status"] == "KILLED"
    files = {image["file"] for image in place.manifest["images"]}
    assert 1 <= len(files) < 12
    assert {path.name for path in place.images} == files
    mlflow = MLflow(place.outputs / "mlflow.db")
    run = mlflow.run()
    assert run.info.status == "KILLED"
    assert run.info.run_id == place.manifest["mlflow_run_id"]
    assert mlflow.pictures(run) == keys_of(files)
    assert run.data.metrics["images"] == len(files)
    assert place.spools == []
    assert not list(place.outputs.rglob("*.part"))


def keys_of(files: Iterable[str]) -> set[str]:
    """Keys of pictures in MLflow, by the names of their files in the run's folder."""
    seeds = (name.rpartition("_seed")[2].removesuffix(".png") for name in files)
    return {f"a red circle on a white background/seed {seed}" for seed in seeds}


def recorded(place: Workplace, spool: Path) -> set[str]:
    """Keys of the pictures with all their records: first the file is there, then the record that
    names it, then that of its seconds; a kill may come between any two.
    """
    records = (spool / "records.jsonl").read_text()
    named = sorted(path.name for path in place.images if path.name in records)
    return keys_of(named[: records.count('"seconds_decode":')])


def test_a_killed_runner_is_noticed_by_its_writer(place: Workplace) -> None:
    process, _ = started_and_half_way(place)
    (spool,) = place.spools
    wait_until(lambda: recorded(place, spool))
    made = recorded(place, spool)
    process.kill()
    ended(process)
    wait_until(lambda: not writers_of(place.outputs))
    assert place.spools == []
    mlflow = MLflow(place.outputs / "mlflow.db")
    run = mlflow.run()
    assert run.info.status == "KILLED"
    assert run.data.tags["runner.ended"]
    assert made <= mlflow.pictures(run)
    assert "config.json" in mlflow.artifacts(run)


@pytest.mark.parametrize("by_hand", [True, False])
def test_killed_with_its_writer_it_is_delivered_by_the_next(
    place: Workplace, by_hand: bool
) -> None:
    process, writer = started_and_half_way(place)
    kill(writer)
    before = len(place.images)
    (spool,) = place.spools
    # Records that no writer has seen.
    wait_until(lambda: len(recorded(place, spool)) > before)
    process.kill()
    ended(process)
    made = recorded(place, spool)
    if by_hand:
        status, output = place.sync()
        assert (status, "1 of 1 runs delivered" in output) == (0, True), output
    else:
        status, output = place.run("seeds=[0]")
        assert status == 0, output
        wait_until(lambda: not writers_of(place.outputs))
    assert place.spools == []
    mlflow = MLflow(place.outputs / "mlflow.db")
    runs = mlflow.runs()
    (killed,) = [run for run in runs if run.info.status == "KILLED"]
    assert sorted(run.info.status for run in runs) == ["FINISHED", "KILLED"][by_hand:]
    assert made <= mlflow.pictures(killed)
    assert len(mlflow.values(killed, "seconds_prior")) == 12
    steps = [m.step for m in mlflow.client.get_metric_history(killed.info.run_id, "seconds_decode")]
    assert steps == list(range(len(steps)))
    assert len(made) <= len(steps) <= len(made) + 1


def test_a_run_goes_on_without_its_writer(place: Workplace) -> None:
    process, writer = started_and_half_way(place)
    kill(writer)
    killed = time.monotonic()
    status, output = ended(process)
    assert status == 0, output
    assert time.monotonic() - killed < 120
    assert "kandinsky sync" in output
    assert place.manifest["status"] == "FINISHED"
    assert len(place.images) == 12
    status, output = place.sync()
    assert status == 0, output
    mlflow = MLflow(place.outputs / "mlflow.db")
    run = mlflow.run()
    assert run.info.status == "FINISHED"
    assert len(mlflow.pictures(run)) == 12
    assert len(mlflow.values(run, "seconds_decode")) == 12
    assert len(mlflow.values(run, "seconds_total")) == 1
    assert place.spools == []
    assert place.sync() == (0, "nothing to deliver\n")


def test_what_a_stopped_run_made_is_not_made_again(place: Workplace) -> None:
    process, _ = started_and_half_way(place)
    process.send_signal(signal.SIGINT)
    ended(process)
    first = {image["seed"]: image["sha256"] for image in place.manifest["images"]}
    status, output = place.run(*LONG)
    assert status == 0, output
    images = place.manifest["images"]
    assert len(images) == 12
    assert {i["seed"] for i in images if i["reused"]} >= first.keys()
    assert {i["seed"]: i["sha256"] for i in images if i["seed"] in first} == first
