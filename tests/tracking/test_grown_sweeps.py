"""A sweep grows, is killed, merged, renamed and deleted: its runs in MLflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.manifests import hashes, read_manifest
from runner.recording.sweep_record import SweepRecord, list_sweeps
from tracking.processes import MLflow, Workplace, ended, wait_until

pytestmark = pytest.mark.slow

FIRST = ("-m", "scheduler=ddim,ddpm", "seeds=[0]", "workers=1")


def cells(place: Workplace) -> list[Path]:
    ((folder, record),) = list_sweeps(place.outputs)
    return [folder / cell.folder for cell in record.cells]


def did(place: Workplace, *arguments: str) -> str:
    status, output = ended(place.start(*arguments))
    assert status == 0, output
    return output


def test_its_life(place: Workplace) -> None:
    status, output = place.run(*FIRST)
    assert status == 0, output
    mlflow = MLflow(place.outputs / "mlflow.db")
    before = {run.info.run_id for run in mlflow.runs()}
    whole = [hashes(read_manifest(cell)) for cell in cells(place)]

    # It grows, and is killed once the first new picture is there.
    process = place.start_run("into=last", "seeds=[1,2]", "workers=1")
    wait_until(lambda: list(place.outputs.glob("*/*/*/*seed1.png")) or process.poll() is not None)
    process.kill()
    ended(process)
    for cell, had in zip(cells(place), whole, strict=True):
        assert had.items() <= hashes(read_manifest(cell)).items()
    status, output = place.run("into=last", "seeds=[1,2]", "workers=1")
    assert status == 0, output
    runs = {run.info.run_id: run for run in mlflow.runs()}
    assert runs.keys() == before
    (parent,) = [run for run in runs.values() if "mlflow.parentRunId" not in run.data.tags]
    for run in runs.values():
        assert run.info.status == "FINISHED"
        if run is not parent:
            assert run.data.metrics["images"] == 3
            assert len(mlflow.pictures(run)) == 3
            assert "[0, 1, 2]" in run.data.tags["runner.resumed_with"]
    assert "into=last" in parent.data.tags["mlflow.note.content"]

    # Another sweep is merged into it.
    status, output = place.run("-m", "scheduler=lcm,dpmpp_2m", "seeds=[0]", "workers=1")
    assert status == 0, output
    (one, record), (two, _) = list_sweeps(place.outputs)
    assert "2 cells moved into" in did(place, "sweeps", "merge", record.sweep_id, "last")
    assert not two.exists()
    assert SweepRecord.read(one).axes["scheduler"] == ["ddim", "ddpm", "lcm", "dpmpp_2m"]
    runs = {run.info.run_id: run for run in mlflow.runs()}
    assert len(runs) == 1 + 4
    for cell in cells(place):
        run = runs[read_manifest(cell)["mlflow_run_id"]]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["runner.cell"] == str(int(cell.name[:4]))
    status, output = place.run("into=last", "scheduler=lcm", "seeds=[0,1]", "workers=1")
    assert status == 0, output
    assert "1 of 1 cell" in output
    assert len(mlflow.runs()) == 1 + 4  # the run that was merged has grown
    grown = ("into=last", "scheduler=lcm", "seeds=[0]", "decoder.guidance_scale=2", "workers=1")
    status, output = place.run(*grown)
    assert status == 0, output
    name = mlflow.client.get_run(parent.info.run_id).info.run_name
    assert name == "default: scheduler x guidance"

    did(place, "sweeps", "rename", "last", "named")
    ((renamed, record),) = list_sweeps(place.outputs)
    assert (renamed.parent.name, record.name) == ("named", "named")
    assert mlflow.client.get_run(parent.info.run_id).info.run_name == "named: scheduler x guidance"
    status, output = ended(place.start("sweeps", "delete", "named"))
    assert status == 2
    assert "5 cells, 10 pictures" in output
    assert renamed.is_dir()
    did(place, "sweeps", "delete", "named", "--yes")
    assert not renamed.exists()
    assert mlflow.runs() == []
