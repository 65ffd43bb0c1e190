"""Jobs through Hydra: statuses, overrides, and a process left as it was."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from runner.config.hydra.app import run_with_hydra
from runner.config.run_config import RunConfig
from runner.errors import Interrupted, StageError
from unit.conftest import Command

pytestmark = pytest.mark.usefixtures("command")  # for its empty working directory


def test_a_job_gets_its_config_and_overrides() -> None:
    seen: list[RunConfig] = []

    def job(run: RunConfig) -> int:
        seen.append(run)
        return 0

    assert run_with_hydra(job, ["-m", "height=64,128", "question=Why"], "kandinsky") == 0
    assert [(run.height, run.overrides) for run in seen] == [
        (64, ("height=64", "question=Why")),
        (128, ("height=128", "question=Why")),
    ]


def test_an_interpolation_reads_what_its_own_job_is_given() -> None:
    seen: list[RunConfig] = []

    def job(run: RunConfig) -> int:
        seen.append(run)
        return 0

    given = ["-m", "height=64,128", "question=at ${height}", "output_dir=of-${seeds}", "seeds=[1]"]
    assert run_with_hydra(job, given, "kandinsky") == 0
    assert [(run.question, run.output_dir.name) for run in seen] == [
        ("at 64", "of-[1]"), ("at 128", "of-[1]"),
    ]  # fmt: skip


def test_an_override_may_hold_an_interpolation() -> None:
    seen: list[RunConfig] = []

    def job(run: RunConfig) -> int:
        seen.append(run)
        return 0

    run_with_hydra(job, ["name=with-${scheduler.name}"], "kandinsky")
    assert seen[0].name == "with-ddim"
    assert seen[0].overrides == ("name=with-${scheduler.name}",)


@pytest.mark.parametrize(("statuses", "worst"), [((0, 0), 0), ((1, 0), 1), ((0, 1), 1)])
def test_the_worst_status_is_returned(statuses: tuple[int, int], worst: int) -> None:
    left = list(statuses)
    assert run_with_hydra(lambda run: left.pop(0), ["-m", "seeds=[0],[1]"], "kandinsky") == worst
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

    assert run_with_hydra(job, ["-m", "seeds=[0],[1],[2]"], "kandinsky") == 1
    assert seen == [0, 1, 2]
    said = capfd.readouterr().err
    assert "error: it broke" in said
    assert "ZeroDivisionError" in said


def test_a_stop_ends_a_multirun() -> None:
    seen: list[int] = []

    def job(run: RunConfig) -> int:
        seen.append(run.seeds[0])
        raise Interrupted

    assert run_with_hydra(job, ["-m", "seeds=[0],[1]"], "kandinsky") == 130
    assert seen == [0]


@pytest.mark.parametrize("arguments", [["seeds=[1]"], ["promt=1"], ["--cfg", "job"]])
def test_the_process_is_left_as_it_was(arguments: list[str]) -> None:
    before = (list(sys.argv), dict(os.environ), Path.cwd())
    run_with_hydra(lambda run: 0, arguments, "kandinsky")
    assert (list(sys.argv), dict(os.environ), Path.cwd()) == before


def test_hydras_variable_stays_where_a_user_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    run_with_hydra(lambda run: 0, [], "kandinsky")
    assert os.environ["HYDRA_FULL_ERROR"] == "0"


def test_config_and_info_run_no_job(command: Command) -> None:
    assert command("--cfg", "job").out.startswith("model:")
    assert "scheduler:\n  name: ddpm" in command("--cfg", "job", "scheduler=ddpm").out
