"""A user's own files named `runner` in the working directory: never taken for this package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.manifests import read_manifest
from tracking.processes import STEPS, MLflow, Workplace

KANDINSKY = Path(sys.executable).with_name("kandinsky")
SWEEP = ("-m", "scheduler=ddim,ddpm", "seeds=[0]")
MODULE = "raise SystemExit('the user\\'s own module was imported')\n"


@pytest.fixture
def folder(place: Workplace, request: pytest.FixtureRequest) -> Workplace:
    """A workplace with a module or a package `runner` of the user's own."""
    file = place.folder / request.param
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(MODULE)
    return place


def kandinsky(place: Workplace, *overrides: str) -> str:
    """`kandinsky <overrides>` in the workplace, which succeeds; gives all that it printed."""
    done = subprocess.run(
        [KANDINSKY, f"weights={place.weights}", *STEPS, *overrides],
        cwd=place.folder,
        env={**os.environ, "HOME": str(place.folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def check_cells(place: Workplace) -> list[dict[str, Any]]:
    cells = [read_manifest(file.parent) for file in place.outputs.glob("*/*/*/manifest.json")]
    assert [cell["status"] for cell in cells] == ["FINISHED"] * 2
    return cells


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["runner.py"], indirect=True)
def test_workers_and_mlflow_are_ours(folder: Workplace) -> None:
    assert "2 workers (as configured)" in kandinsky(folder, *SWEEP, "workers=2")
    check_cells(folder)
    runs = MLflow(folder.outputs / "mlflow.db").runs()
    assert [run.info.status for run in runs] == ["FINISHED"] * 3


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["runner/__init__.py"], indirect=True)
def test_a_single_run_is_logged(folder: Workplace) -> None:
    kandinsky(folder)
    assert MLflow(folder.outputs / "mlflow.db").run().info.status == "FINISHED"
    assert folder.manifest["mlflow_run_id"] is not None


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["runner.py"], indirect=True)
@pytest.mark.parametrize(
    "launcher",
    [
        ("hydra/launcher=ray", "hydra.launcher.workers=1"),
        ("hydra/launcher=submitit", "hydra.launcher.cluster=local", "hydra.launcher.workers=1"),
    ],
    ids=["ray", "submitit"],
)
def test_workers_of_other_launchers_are_ours(folder: Workplace, launcher: tuple[str, ...]) -> None:
    assert "Traceback" not in kandinsky(folder, *SWEEP, *launcher, "tracking=none")
    check_cells(folder)


@pytest.mark.slow
def test_a_users_module_of_metrics_is_found_by_workers(place: Workplace) -> None:
    """`python -m runner` finds modules in the working directory, and so do its workers."""
    place.folder.mkdir(parents=True, exist_ok=True)
    (place.folder / "mine.py").write_text(
        "from runner.metrics import metric\n\n\n"
        "@metric(better='higher')\ndef red(image):\n    return float(image.getpixel((0, 0))[0])\n"
    )
    options = place.folder / "conf" / "metrics"
    options.mkdir(parents=True)
    (options / "red.yaml").write_text("red:\n  function: mine:red\n")
    status, output = place.run(
        *SWEEP, "--config-dir=conf", "metrics=[red]", "workers=2", "tracking=none"
    )
    assert status == 0, output
    for cell in check_cells(place):
        assert [image["scores"].keys() for image in cell["images"]] == [{"red"}]
