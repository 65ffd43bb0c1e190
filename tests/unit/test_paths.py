"""Paths that lead nowhere, are too long, or are no UTF-8 text: one message each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpers.made_sweeps import Made, write_run, write_sweep
from runner.analysis.comparison.logged import log
from runner.analysis.reading import read_results
from runner.catalog.tracking import STORE
from runner.runs.sweep_folder import _folder_name
from runner.system.files import LATEST, new_folder
from runner.tracking.spool import SPOOLS
from unit.conftest import Command, assert_refused

LONG = "n" * 300
DEEP = "/".join(["d" * 200] * 25)
ASKED = {
    "an input picture": ("plan", "task=img2img", "inputs.image={}"),
    "a prompt file": ("plan", "prompt=null", "prompt_file={}.txt"),
    "weights": ("plan", "weights=./{}"),
    "the output folder": ("plan", "output_dir={}"),
    "a run's folder": ("report", "{}"),
    "a store's folder": ("ui", "{}"),
}
asked = pytest.mark.parametrize("kind", ASKED)


@asked
def test_a_link_to_nothing_is_told_as_that(command: Command, kind: str) -> None:
    for name in ("mine", "mine.txt"):
        Path(name).symlink_to("gone/for good")
    said = command(*(part.format("mine") for part in ASKED[kind]))
    assert_refused(said, " is a link to gone/for good, which leads nowhere")


def test_links_in_a_circle_end(command: Command) -> None:
    Path("mine").symlink_to("mine")
    assert_refused(command("report", "mine"), "mine is a link to mine, which leads nowhere")


@pytest.mark.parametrize("pattern", ["manifest.json", "*.png"])
@pytest.mark.parametrize("verb", ["grid", "report", "export"])
def test_a_record_that_is_links_in_a_circle_is_told(
    command: Command, verb: str, pattern: str
) -> None:
    folder = write_run(Path("mine"), Made())
    for taken in folder.glob(pattern):
        taken.unlink()
        taken.symlink_to(taken.name)
    said = command(verb, "mine")
    assert said.status == 2 or pattern == "*.png", said
    assert taken.name in said.err


@asked
@pytest.mark.parametrize("path", [LONG, DEEP])
def test_a_path_that_is_too_long_is_refused(command: Command, kind: str, path: str) -> None:
    said = command(*(part.format(path) for part in ASKED[kind]))
    assert_refused(said, "too long")


def test_latest_that_leads_nowhere_is_told(command: Command) -> None:
    Path("outputs").mkdir()
    Path("outputs", LATEST).symlink_to("default/2026-01-01_00-00-00")
    said = command("report")
    assert_refused(said, "outputs/latest is a link to default/2026-01-01_00-00-00, which leads")


def test_a_folder_whose_name_is_no_text_needs_a_run_without_mlflow(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        os.mkdir(b"caf\xe9")  # noqa: PTH102, a Path holds no bytes
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    monkeypatch.chdir(os.fsdecode(b"caf\xe9"))
    assert_refused(command("plan"), "caf\\udce9/outputs: lies in a folder", "tracking=none")
    assert command("plan", "tracking=none").status == 0


def test_a_comparison_in_a_folder_whose_name_is_no_text_leaves_no_records(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outputs = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        sweep = write_sweep(outputs / "default" / "sweep", Made())
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    (outputs / STORE).touch()
    log(read_results(sweep), [])
    assert "warning: the comparison is not in MLflow" in capfd.readouterr().err
    assert not (outputs / SPOOLS).exists()


def test_long_names_become_folders_apart_from_each_other(tmp_path: Path) -> None:
    first, second = (new_folder(tmp_path, "目" * 120 + end) for end in "ab")
    assert first.parent != second.parent
    assert new_folder(tmp_path, "目" * 85).parent.name == "目" * 85


def test_cells_of_long_values_get_folders_apart_from_each_other(tmp_path: Path) -> None:
    values = ["𐐷" * 100, "𐐷" * 100 + "x"]
    axes = {"prompt": values, "name": values}
    names = [_folder_name(n, (f"prompt={v}", f"name={v}"), axes) for n, v in enumerate(values)]
    assert len({*names}) == 2
    for name in names:
        (tmp_path / name).mkdir()
