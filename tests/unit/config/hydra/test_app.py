"""Jobs through Hydra: exit statuses, overrides, and no change to the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from runner.config.cell import Cell
from runner.config.cluster import Cluster
from runner.config.hydra.app import Job, Swept, run_with_hydra
from runner.config.run_config import RunConfig
from runner.errors import Interrupted, StageError
from unit.conftest import Command

pytestmark = pytest.mark.usefixtures("command")  # for its empty working directory


JOB_AFTER_JOB = (
    "hydra.launcher._target_=hydra._internal.core_plugins.basic_launcher.BasicLauncher",
)
"""A launcher of another package than the runner."""


def call(job: Job, *arguments: str) -> int:
    """The exit status; nothing may be run as a sweep."""

    def sweep_job(cells: Sequence[Cell], cluster: Cluster | None) -> Swept:
        raise AssertionError("the cells were handed over at once")

    return run_with_hydra(job, list(arguments), "kandinsky", sweep_job)


def test_a_job_gets_its_config_and_overrides() -> None:
    seen: list[RunConfig] = []

    def job(run: RunConfig) -> int:
        seen.append(run)
        return 0

    assert call(job, "-m", *JOB_AFTER_JOB, "height=64,128", "question=Why") == 0
    assert [(run.height, run.overrides) for run in seen] == [
        (64, ("height=64", "question=Why")),
        (128, ("height=128", "question=Why")),
    ]


def test_an_interpolation_reads_what_its_own_job_is_given() -> None:
    seen: list[RunConfig] = []

    def job(run: RunConfig) -> int:
        seen.append(run)
        return 0

    given = ["height=64,128", "question=at ${height}", "output_dir=of-${seeds}", "seeds=[1]"]
    assert call(job, "-m", *JOB_AFTER_JOB, *given) == 0
    assert [(run.question, run.output_dir.name) for run in seen] == [
        ("at 64", "of-[1]"), ("at 128", "of-[1]"),
    ]  # fmt: skip


def test_an_override_may_hold_an_interpolation() -> None:
    seen: list[RunConfig] = []

    def job(run: RunConfig) -> int:
        seen.append(run)
        return 0

    call(job, "name=with-${scheduler.name}")
    assert seen[0].name == "with-checkpoint"
    assert seen[0].overrides == ("name=with-${scheduler.name}",)


@pytest.mark.parametrize(("statuses", "worst"), [((0, 0), 0), ((1, 0), 1), ((0, 1), 1)])
def test_the_worst_status_is_returned(statuses: tuple[int, int], worst: int) -> None:
    left = list(statuses)
    assert call(lambda run: left.pop(0), "-m", *JOB_AFTER_JOB, "seeds=[0],[1]") == worst
    assert left == []


def test_a_failed_job_does_not_end_the_others(capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[int] = []

    def job(run: RunConfig) -> int:
        seen.append(run.seeds[0])
        if run.seeds == (0,):
            raise StageError("it broke")
        if run.seeds == (1,):
            raise ZeroDivisionError
        return 0

    assert call(job, "-m", *JOB_AFTER_JOB, "seeds=[0],[1],[2]") == 1
    assert seen == [0, 1, 2]
    said = capfd.readouterr().err
    assert "error: it broke" in said
    assert "ZeroDivisionError" in said


def test_a_stop_ends_a_multirun() -> None:
    seen: list[int] = []

    def job(run: RunConfig) -> int:
        seen.append(run.seeds[0])
        raise Interrupted

    assert call(job, "-m", *JOB_AFTER_JOB, "seeds=[0],[1]") == 130
    assert seen == [0]


@pytest.mark.parametrize(
    "arguments", [["seeds=[1]"], ["promt=1"], ["--cfg", "job"], ["hydra.verbose=false"]]
)
def test_the_process_is_left_as_it_was(arguments: list[str]) -> None:
    before = (list(sys.argv), dict(os.environ), Path.cwd())
    call(lambda run: 0, *arguments)
    assert (list(sys.argv), dict(os.environ), Path.cwd()) == before


def test_hydras_variable_stays_where_a_user_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    call(lambda run: 0)
    assert os.environ["HYDRA_FULL_ERROR"] == "0"


def test_config_and_info_run_no_job(command: Command) -> None:
    assert command("--cfg", "job").out.startswith("model:")
    assert "scheduler:\n  name: ddpm" in command("--cfg", "job", "scheduler=ddpm").out


@pytest.mark.parametrize("launcher", ["basic", "cells"])
def test_cells_are_run_as_one_sweep(command: Command, launcher: str) -> None:
    said = command("plan", "-m", "seeds=[1],[2]", f"hydra/launcher={launcher}")
    assert said.out.startswith("2 cells, 2 images\n"), said.err


def test_hydras_own_settings_hold_in_a_single_run() -> None:
    seen: list[RunConfig] = []

    def job(run: RunConfig) -> int:
        seen.append(run)
        assert os.environ["OF_THIS_JOB"] == "yes"
        return 0

    given = ["+hydra.job.env_set.OF_THIS_JOB=yes", "question=of ${hydra:job.name}"]
    assert call(job, *given) == 0
    assert "OF_THIS_JOB" not in os.environ
    assert (seen[0].question, seen[0].overrides) == ("of app", ("question=of ${hydra:job.name}",))
