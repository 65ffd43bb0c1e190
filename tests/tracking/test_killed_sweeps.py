"""Sweeps as processes: stopped, killed, resumed; and their runs in MLflow."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from helpers.manifests import read_manifest
from helpers.preloaded import Forked
from tracking.processes import (
    MLflow,
    Workplace,
    commands,
    ended,
    kill,
    wait_until,
    workers_of,
    writers_of,
)

pytestmark = pytest.mark.slow

SWEEP = ("-m", "scheduler=ddim,ddpm", "decoder.guidance_scale=1,2", "seeds=[0,1]")
ALONE = (*SWEEP, "workers=1")
"""In the command's own process: workers would import the libraries first."""
CELLS, IMAGES = 4, 8
KILLS = int(os.environ.get("KILLS", "2"))
"""How often each is killed: more than here for a closer look."""


def manifests(place: Workplace) -> list[dict[str, Any]]:
    folders = sorted(path.parent for path in place.outputs.glob("*/*/*/manifest.json"))
    return [read_manifest(folder) for folder in folders]


def hashes(place: Workplace) -> dict[tuple[str, float, int], str]:
    """(scheduler, guidance, seed) -> pixels, of everything that a manifest names."""
    return {
        (m["config"]["scheduler"]["name"], m["config"]["decoder"]["guidance_scale"], i["seed"]): i[
            "sha256"
        ]
        for m in manifests(place)
        for i in m["images"]
    }


def pictures(place: Workplace) -> set[Path]:
    return set(place.outputs.glob("default/*/*/*.png"))


def check_complete(place: Workplace, expected: dict[Any, str]) -> None:
    """Everything is there once, whole and finished."""
    found = manifests(place)
    assert [manifest["status"] for manifest in found] == ["FINISHED"] * CELLS
    assert hashes(place) == expected
    named = {(m["run_id"], image["file"]) for m in found for image in m["images"]}
    assert len(named) == len(pictures(place)) == IMAGES
    assert not list(place.outputs.rglob("*.part"))
    wait_until(lambda: not writers_of(place.outputs))
    assert place.spools == []
    runs = MLflow(place.outputs / "mlflow.db").runs()
    assert [run.info.status for run in runs] == ["FINISHED"] * (CELLS + 1)
    assert {m["mlflow_run_id"] for m in found} <= {run.info.run_id for run in runs}
    record = json.loads(next(place.outputs.glob("*/*/sweep.json")).read_text())
    assert record["status"] == "FINISHED"


@pytest.fixture(scope="module")
def whole(shared: Workplace) -> Workplace:
    """The sweep run once, undisturbed."""
    status, output = shared.run(*ALONE)
    assert status == 0, output
    return shared


@pytest.fixture(scope="module")
def expected(whole: Workplace) -> dict[Any, str]:
    return hashes(whole)


def test_a_sweep_is_complete(whole: Workplace, expected: dict[Any, str]) -> None:
    assert len(expected) == IMAGES
    check_complete(whole, expected)


def test_mlflow_has_a_parent_with_the_axes_and_a_child_a_cell(whole: Workplace) -> None:
    mlflow = MLflow(whole.outputs / "mlflow.db")
    runs = mlflow.runs()
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run is not parent]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert parent.data.params == {
        "axis.scheduler": "ddim, ddpm",
        "axis.decoder.guidance_scale": "1, 2",
    }
    metrics = parent.data.metrics
    assert (metrics["cells_finished"], metrics["cells_failed"]) == (CELLS, 0)
    assert metrics["stages_run"] == 2 + IMAGES  # a prior for each seed, shared by all cells
    assert sum(run.data.metrics["stages_run"] for run in children) == metrics["stages_run"]
    assert sum(run.data.metrics["seconds_loading"] for run in children) == pytest.approx(
        metrics["seconds_loading"]
    )
    for run in children:
        assert len(mlflow.pictures(run)) == 2
        assert "pipelines.json" in mlflow.artifacts(run)


def test_each_cell_says_what_was_read_back(whole: Workplace) -> None:
    for manifest in manifests(whole):
        run = manifest["mlflow_run_id"]
        file = next(whole.outputs.glob(f"mlartifacts/*/{run}/artifacts/pipelines.json"))
        classes = {found["pipeline"]: found["scheduler"] for found in json.loads(file.read_text())}
        scheduler = manifest["config"]["scheduler"]["name"].upper() + "Scheduler"
        assert classes["KandinskyV22Pipeline"] == scheduler
        assert "KandinskyV22PriorPipeline" in classes


def test_the_same_command_again_does_nothing(whole: Workplace, expected: dict[Any, str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in pictures(whole)}
    status, output = whole.run(*ALONE)
    assert status == 0
    assert f"{CELLS} cells done earlier" in output
    assert {path: path.stat().st_mtime_ns for path in pictures(whole)} == before
    check_complete(whole, expected)


def test_a_picture_that_was_changed_is_made_again(
    whole: Workplace, expected: dict[Any, str], tmp_path: Path
) -> None:
    place = whole.copied(tmp_path)
    first, second = sorted(pictures(place))[:2]
    first.write_bytes(second.read_bytes())
    status, output = place.run(*ALONE)
    assert status == 0
    assert f"{CELLS - 1} of them done earlier" in output
    check_complete(place, expected)


@pytest.mark.parametrize(
    ("number", "status", "workers"),
    [(signal.SIGINT, 130, 1), (signal.SIGTERM, 143, 2)],
)
def test_a_stopped_sweep_says_how_to_go_on(
    place: Workplace, expected: dict[Any, str], number: signal.Signals, status: int, workers: int
) -> None:
    process = place.start_run(*SWEEP, f"workers={workers}")
    wait_until(lambda: pictures(place) or process.poll() is not None)
    process.send_signal(number)
    returned, output = place.delivered(process)
    assert returned == status, output
    assert "the same command goes on" in output
    assert "Traceback" not in output
    assert {m["status"] for m in manifests(place)} <= {"FINISHED", "KILLED"}
    runs = MLflow(place.outputs / "mlflow.db").runs()
    assert "RUNNING" not in {run.info.status for run in runs}
    made = {path: path.stat().st_mtime_ns for path in pictures(place)}
    assert 1 <= len(made) < IMAGES
    done = sum(m["status"] == "FINISHED" for m in manifests(place))
    returned, output = place.run(*ALONE)
    assert returned == 0, output
    earlier = f" ({done} more done earlier)" if done else ""
    assert f"{CELLS - done} of {CELLS - done} cell{'s' * (CELLS - done > 1)}{earlier} in" in output
    check_complete(place, expected)


def look_runs_up(place: Workplace) -> None:
    """The runner may be done before the records of all attempts were delivered; it looks them up
    the next time.
    """
    wait_until(lambda: not writers_of(place.outputs))
    if any(manifest["mlflow_run_id"] is None for manifest in manifests(place)):
        status, output = place.run(*ALONE)
        assert status == 0, output


def _begun_or_over(place: Workplace, process: Forked) -> bool:
    return bool(place.spools) or process.poll() is not None


def test_killed_again_and_again_it_loses_nothing(
    place: Workplace, expected: dict[Any, str]
) -> None:
    """`kill -9` of the sweep, and every other time of its writer, at random moments."""
    rng = random.Random(0)
    for _ in range(KILLS):
        process = place.start_run(*ALONE)
        wait_until(partial(_begun_or_over, place, process))
        time.sleep(rng.uniform(0.0, 3.0))
        if rng.random() < 0.5:
            for writer in writers_of(place.outputs):
                kill(writer)
        process.kill()
        ended(process)
    stored = {path: path.read_text() for path in place.outputs.rglob("entry.json")}
    status, output = place.run(*ALONE)
    assert status == 0, output
    # No stage is done twice that was published.
    again = {path: path.read_text() for path in place.outputs.rglob("entry.json")}
    assert stored.items() <= again.items()
    status, output = place.sync()
    assert status == 0, output
    look_runs_up(place)
    check_complete(place, expected)


def test_workers_that_are_killed_again_and_again_lose_nothing(
    place: Workplace, expected: dict[Any, str]
) -> None:
    rng = random.Random(0)
    killed = 0
    status, output = 1, ""
    while status and killed < KILLS:
        process = place.start_run(*SWEEP, "workers=2")
        while process.poll() is None and killed < KILLS:
            time.sleep(rng.uniform(0.0, 3.0))
            # Among them what they were forked from, without which they go on.
            if workers := workers_of(process):
                with contextlib.suppress(ProcessLookupError):
                    kill(rng.choice(workers))
                    killed += 1
        status, output = ended(process)
        if status:  # a stage that three workers died of is given up, and made by the next attempt
            assert "its worker process died 3 times" in output or "before they can begin" in output
    assert killed
    if status:
        status, output = place.run(*ALONE)
    assert status == 0, output
    check_complete(place, expected)


def test_no_worker_outlives_its_runner(place: Workplace) -> None:
    process = place.start_run(*SWEEP, "workers=2")
    workers: list[int] = []
    wait_until(lambda: len(workers_of(process)) == 3 or process.poll() is not None)
    workers = workers_of(process)
    assert len(workers) == 3
    process.kill()
    ended(process)
    wait_until(lambda: not any(pid in commands() for pid in workers))


def test_two_processes_do_not_run_one_sweep(place: Workplace) -> None:
    process = place.start_run(*ALONE)
    wait_until(lambda: list(place.outputs.glob("*/*/sweep.json")) or process.poll() is not None)
    status, output = ended(place.start_run(*ALONE))
    assert status == 2
    assert "being run by another process" in output
    status, output = ended(process)
    assert status == 0, output
    assert len(pictures(place)) == IMAGES


def test_a_sweep_that_was_killed_when_all_was_made_is_finished_by_the_next(
    place: Workplace, expected: dict[Any, str]
) -> None:
    """Before it could say so: its own run is marked KILLED, and then made good."""
    process = place.start_run(*ALONE)
    wait_until(
        lambda: (
            [m["status"] for m in manifests(place)] == ["FINISHED"] * CELLS
            or process.poll() is not None
        )
    )
    process.kill()
    ended(process)
    status, output = place.run(*ALONE)
    assert status == 0, output
    assert f"{CELLS} cells done earlier" in output
    look_runs_up(place)
    check_complete(place, expected)
