"""Every file of the config tree works: each option composes, each experiment plans."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.conftest import Compose

from runner import machine, planning
from runner.config import tree
from runner.planning import make_plan

CONF = tree.config_dir()
GROUPS = sorted(folder for folder in CONF.iterdir() if folder.is_dir() and folder.name != "hydra")
OPTIONS = [
    f"{folder.name}={file.relative_to(folder).with_suffix('').as_posix()}"
    for folder in GROUPS
    for file in sorted(folder.rglob("*.yaml"))
]
EXPERIMENTS = sorted((CONF / "experiment").rglob("*.yaml"))


@pytest.fixture(autouse=True)
def _everything_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with an accelerator and all packages, and an empty hub cache."""
    monkeypatch.setattr(machine, "likely_device", lambda: "cuda")
    monkeypatch.setattr(planning, "is_installed", lambda module: True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def test_there_are_options_and_experiments() -> None:
    assert len(OPTIONS) > len(GROUPS) > 1
    assert EXPERIMENTS


@pytest.mark.parametrize("option", OPTIONS)
def test_each_option_of_each_group_composes_resolves_and_plans(
    composed: Compose, option: str
) -> None:
    group, _, chosen = option.partition("=")
    run = composed(option)
    if group in run.composed:
        assert chosen in map(str, run.composed[group].values())
    assert len(make_plan(run).images) >= 1


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_each_experiment_begins_with_its_question(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# @package _global_"
    comments = []
    for line in lines[1:]:
        if not line.startswith("# "):
            break
        comments.append(line.removeprefix("# "))
    assert "?" in " ".join(comments), f"{file.name} does not begin with a question"


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_each_experiment_plans_under_its_own_name(composed: Compose, file: Path) -> None:
    run = composed(f"experiment={file.stem}")
    assert run.question
    assert run.question.endswith("?")
    found = make_plan(run)
    assert len(found.images) == len(run.prompts) * len(run.seeds)
    assert len(found.graph) >= 2
