"""`kandinsky models`: the tables, and which checkpoints are on disk."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from runner.catalog.checkpoint import Checkpoint
from runner.catalog.kandinsky2_2 import DECODER_2_2
from runner.catalog.kandinsky3 import TEXT_3
from runner.catalog.tasks import TASKS
from runner.catalog.versions import CATALOG, VERSIONS, refusal_of
from runner.verbs.models import routes_markdown, tasks_markdown
from runner.weights import find
from runner.weights.find import MINI_DIR
from unit.conftest import Command, assert_refused

CHECKPOINTS = {c.folder: c for row in CATALOG for c in row.checkpoints.values()}


def test_every_cell_is_shown_with_its_reason(command: Command) -> None:
    said = command("models")
    assert said.status == 0
    lines = said.out.splitlines()
    assert lines[0].split() == [f"model={version}" for version in VERSIONS]
    reasons = dict(line.split(" ", 1) for line in lines if line.startswith("("))
    for task in TASKS:
        (line,) = (line for line in lines if line.startswith(f"task={task} "))
        cells = line.replace("no (", "no(").split()[1:]
        for version, cell in zip(VERSIONS.values(), cells, strict=True):
            if task not in version.tasks:
                assert reasons[cell.removeprefix("no")] == refusal_of(version, TASKS[task])
            else:
                assert cell == "yes"


def test_every_checkpoint_is_shown_with_its_uses_and_what_is_on_disk(command: Command) -> None:
    out = command("models").out
    for name, checkpoint in CHECKPOINTS.items():
        part = out.partition(f"{name}: ")[2]
        uses, mini, hub, *_ = part.splitlines()
        for row in CATALOG:
            assert (f"{row.version.title} {row.task.name}" in uses.split(", ")) == (
                name in {c.folder for c in row.checkpoints.values()}
            )
        folder = MINI_DIR / checkpoint.folder
        assert (str(folder) in mini) == folder.is_dir()
        assert ("not in the small family" in mini) != folder.is_dir()
        assert "not on disk" in hub
        assert ("converted" in hub) == (checkpoint.original is not None)


@pytest.mark.parametrize("checkpoint", CHECKPOINTS.values(), ids=lambda c: c.folder)
def test_a_damaged_checkpoint_is_said_to_be(
    command: Command,
    checkpoint: Checkpoint,
    random_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    family = tmp_path / "family"
    shutil.copytree(random_weights, family)
    files = (family / checkpoint.folder / checkpoint.denoiser).glob("*model*")
    file = max(files, key=lambda path: path.suffix)  # safetensors, where there are any
    file.write_bytes(file.read_bytes()[:-1])
    monkeypatch.setattr(find, "MINI_DIR", family)
    said = command("models")
    assert said.status == 0
    damaged = [line for line in said.out.splitlines() if "damaged: " in line]
    assert len(damaged) == 1
    assert str(file) in damaged[0]


def test_the_weights_that_are_named_are_shown(command: Command, family: Path) -> None:
    shutil.rmtree(family / TEXT_3.folder)
    out = command("models", f"weights={family}").out
    assert f"  weights={family} not in this folder" in out
    assert f"million parameters: {family / DECODER_2_2.folder}" in out
    assert "weights=hub" not in out
    told = command("models", "weights=random", "weights.size=tiny").out
    assert told.count("  weights=random weights.size=tiny ") == len(CHECKPOINTS)
    assert told.count("million numbers, made on the device") == len(CHECKPOINTS)


@pytest.mark.parametrize("argument", ["scheduler=ddim", "weights=none", "weights.path=x", "hub"])
def test_what_names_no_weights_is_one_message(command: Command, argument: str) -> None:
    assert_refused(command("models", argument), argument)


def test_two_damaged_roles_of_a_repository_are_told_together(
    command: Command, random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = tmp_path / "family"
    shutil.copytree(random_weights, family)
    for module in ("text_encoder", "unet"):
        (family / TEXT_3.folder / module / "config.json").write_text("{")
    monkeypatch.setattr(find, "MINI_DIR", family)
    said = command("models")
    assert said.status == 0
    (line,) = (line for line in said.out.splitlines() if "damaged: " in line)
    for module in ("text_encoder", "unet"):
        assert f"{module}/config.json: cannot be read" in said.out
    assert line.startswith("  weights=mini")


def test_a_checkpoint_without_its_weights_is_damaged_and_not_another_family_s(
    command: Command, random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = tmp_path / "family"
    shutil.copytree(random_weights, family)
    for file in (family / DECODER_2_2.folder / DECODER_2_2.denoiser).glob("*model*"):
        file.unlink()
    monkeypatch.setattr(find, "MINI_DIR", family)
    out = command("models").out
    assert "not in the small family" not in out
    (damaged,) = (line for line in out.splitlines() if "damaged: " in line)
    assert "has no weights" in damaged


def test_markdown_has_a_row_a_cell_with_its_route(command: Command) -> None:
    said = command("models", "--markdown")
    assert said.status == 0
    header, rule, *rows = said.out.split("\n\n")[1].splitlines()
    assert header == "| version | task | route |"
    assert set(rule) == {"|", "-"}
    assert len(rows) == len(VERSIONS) * len(TASKS)
    cells = itertools.product(VERSIONS.values(), TASKS)
    for (version, task), line in zip(cells, rows, strict=True):
        assert line.startswith(f"| {version.title} | {task} | ")
        if task not in version.tasks:
            assert f"refused: {refusal_of(version, TASKS[task])}" in line
            continue
        stages = line.split("| ")[3].split(", then ")
        checkpoints = version.tasks[task]
        assert len(stages) == len(checkpoints)
        for stage, (role, checkpoint) in zip(stages, checkpoints.items(), strict=True):
            assert stage.startswith(f"{role}: `{checkpoint.pipeline}` of `{checkpoint.folder}`")


def test_markdown_says_which_version_has_which_task(command: Command) -> None:
    header, _, *rows = command("models", "--markdown").out.split("\n\n")[0].splitlines()
    assert header.strip("| ").split(" | ")[2:] == [v.title for v in VERSIONS.values()]
    assert len(rows) == len(TASKS)
    for task, line in zip(TASKS, rows, strict=True):
        _, name, explanation, *able, _ = (cell.strip() for cell in line.split("|"))
        assert name == f"`{task}`"
        assert explanation.endswith(".")
        assert able == ["yes" if task in v.tasks else "" for v in VERSIONS.values()]


def test_the_tables_of_the_docs_are_what_the_command_prints() -> None:
    project = Path(__file__).parents[3]
    assert tasks_markdown() in (project / "README.md").read_text(encoding="utf-8")
    assert routes_markdown() in (project / "docs" / "tasks.md").read_text(encoding="utf-8")
