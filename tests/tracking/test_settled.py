"""Parameters in MLflow: the value chosen for `auto`, with the asked one beside it."""

from __future__ import annotations

from typing import Any

import pytest

from tracking.processes import MLflow, Workplace

pytestmark = pytest.mark.slow

KEYS = ("workers", "offload.mode", "cache.mode", "threads")


def settled(run: Any) -> dict[str, tuple[str, str | None]]:
    """By key, its value and what was asked for where that is another one."""
    params = run.data.params
    return {key: (params[key], params.get(f"asked.{key}")) for key in KEYS}


def test_what_is_known_only_when_the_work_begins(place: Workplace) -> None:
    mlflow = MLflow(place.outputs / "mlflow.db")
    known = {"cache.mode": ("use", "auto"), "threads": ("2", None)}
    status, output = place.run("offload=auto", "threads=2", "name=run")
    assert status == 0, output
    assert settled(mlflow.run()) == {
        **known, "workers": ("1", "auto"), "offload.mode": ("none", "auto"),
    }  # fmt: skip
    status, output = place.run("offload=auto", "threads=2", "name=again")
    assert status == 0, output
    (again,) = (run for run in mlflow.runs() if run.data.params["name"] == "again")
    # All is in the store: nothing was loaded, and no worker begun.
    assert settled(again) == {
        **known, "workers": ("auto", None), "offload.mode": ("auto", None),
    }  # fmt: skip


def test_each_cell_of_a_sweep_has_its_own(place: Workplace) -> None:
    status, output = place.run(
        "-m", "scheduler=ddim,ddpm", "workers=2", "offload=auto", "cache=off"
    )
    assert status == 0, output
    runs = MLflow(place.outputs / "mlflow.db").runs()
    cells = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert [settled(cell) for cell in cells] == [
        {
            "workers": ("2", None),
            "offload.mode": ("none", "auto"),
            "cache.mode": ("off", None),
            "threads": ("1", "auto"),
        }
    ] * 2
