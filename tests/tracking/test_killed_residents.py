"""A sweep whose workers stay: killed while they work and wait, and with their command."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.manifests import read_manifest
from runner.workers.residence_folder import opened_residence
from tracking.processes import MLflow, Workplace, commands, ended, kill, wait_until, writers_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there"),
]

SWEEP = ("-m", "scheduler=ddim,ddpm", "decoder.guidance_scale=1,2,4", "seeds=[0,1]")
KEEPING = (*SWEEP, "workers=2", "workers.keep=60s")
IMAGES = 12
KILLS = int(os.environ.get("KILLS", "2"))


def residents() -> list[int]:
    with opened_residence() as residence:
        return [one.pid for one in residence.residents()] if residence is not None else []


@pytest.fixture(autouse=True)
def _of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "cache"))
    yield
    left = residents()
    for pid in left:
        kill(pid)
    wait_until(lambda: not any(pid in commands() for pid in left))
    assert residents() == []


def pixels(place: Workplace) -> list[tuple[str, int, str]]:
    """Of each picture that a manifest names, cell by cell."""
    return sorted(
        (folder.parent.name, image["seed"], image["sha256"])
        for folder in place.outputs.glob("*/*/*/manifest.json")
        for image in read_manifest(folder.parent)["images"]
    )


def test_residents_that_are_killed_again_and_again_lose_nothing(
    place: Workplace, tmp_path: Path
) -> None:
    """Every third time the command is killed with them. What is published is done once."""
    rng = random.Random(3)
    killed, status, output = 0, 1, ""
    while killed < KILLS:
        process = place.start_run(*KEEPING)
        while process.poll() is None and killed < KILLS:
            time.sleep(rng.uniform(0.0, 1.0))
            if not (staying := residents()):
                continue
            with contextlib.suppress(ProcessLookupError):
                kill(rng.choice(staying))
                killed += 1
            if killed % 3 == 0:
                process.kill()
        status, output = ended(process)
        if status == 0 and killed < KILLS:  # nothing was left to do: another sweep
            place.run(*KEEPING, "resume=false", "cache=refresh")
    stored = {path: path.read_text() for path in place.outputs.rglob("entry.json")}
    if status:
        status, output = place.run(*KEEPING)
    assert status == 0, output
    again = {path: path.read_text() for path in place.outputs.rglob("entry.json")}
    assert stored.items() <= again.items()
    whole = Workplace(tmp_path / "whole", place.weights)
    assert whole.run(*SWEEP, "workers=1", "tracking=none")[0] == 0
    found, expected = pixels(place), pixels(whole)
    assert len(expected) == IMAGES
    assert sorted(set(found)) == expected
    pictures = [*place.outputs.glob("default/*/*/*.png")]
    assert len(pictures) == len(found)
    assert not list(place.outputs.rglob("*.part"))
    wait_until(lambda: not writers_of(place.outputs))
    assert place.sync()[0] == 0
    finished = {run.info.status for run in MLflow(place.outputs / "mlflow.db").runs()}
    assert finished <= {"FINISHED", "KILLED"}
