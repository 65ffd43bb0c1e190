"""A user's own files in the working directory: one named `runner` is never taken for this package,
and those that the user means are found. Workers of other launchers: `test_elsewhere.py`.
"""

from __future__ import annotations

from typing import Any

import pytest

from helpers.manifests import read_manifest
from tracking.processes import MLflow, Workplace

SWEEP = ("-m", "scheduler=ddim,ddpm", "seeds=[0]")


def check_cells(place: Workplace) -> list[dict[str, Any]]:
    cells = [read_manifest(file.parent) for file in place.outputs.glob("*/*/*/manifest.json")]
    assert [cell["status"] for cell in cells] == ["FINISHED"] * 2
    return cells


@pytest.mark.slow
def test_workers_and_mlflow_are_ours(place: Workplace) -> None:
    process = place.start_among_users_modules("runner.py", *SWEEP, "workers=2")
    status, output = place.delivered(process)
    assert status == 0, output
    assert "2 workers (as configured)" in output
    check_cells(place)
    runs = MLflow(place.outputs / "mlflow.db").runs()
    assert [run.info.status for run in runs] == ["FINISHED"] * 3


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
