"""`kandinsky sweeps merge`, `delete` and `rename`, without MLflow."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from functional.made import STEPS
from runner.analysis.reading import read_results
from runner.cli import main
from runner.recording.sweep_record import SweepRecord, list_sweeps
from runner.system.locks import hold

GIVEN = (
    "tracking=none", "progress=quiet", "workers=1", "metrics=[sharpness]", "height=64", "width=64",
    *STEPS,
)  # fmt: skip


@pytest.fixture(scope="module")
def made(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "outputs"
    for axes in (
        ("scheduler=ddim,ddpm",),
        ("scheduler=ddpm,lcm",),
        ("name=other", "seeds=[1]", "scheduler=ddim"),
    ):
        given = (f"weights={weights}", f"output_dir={folder}", *GIVEN)
        assert main(["-m", *given, *axes]) == 0
        time.sleep(1.0)  # sweeps are told apart by the second in which they began
    return folder


@pytest.fixture
def outputs(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "outputs", symlinks=True)
    return tmp_path / "outputs"


def changed(outputs: Path, *arguments: str, status: int = 0) -> None:
    assert main(["sweeps", *arguments, "--output-dir", str(outputs)]) == status


def ids(outputs: Path) -> list[str]:
    return [record.sweep_id for _, record in list_sweeps(outputs)]


def test_merged_sweeps_are_one(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two, _ = ids(outputs)
    (first, _), (second, _), _ = list_sweeps(outputs)
    lcm = next(read_results(second / "0001_lcm").images()).record.sha256
    (second / "own.txt").write_text("a note")
    (first / "votes.jsonl").write_text('{"id": 1}\n{"id"')
    (second / "votes.jsonl").write_text('{"id": 2}\n')
    # The first merge is stopped once its cells are there.
    shutil.copytree(second, outputs / "kept")
    changed(outputs, "merge", one, two)
    (outputs / "kept").rename(second)
    before = SweepRecord.read(first)
    capsys.readouterr()
    changed(outputs, "merge", one, two)
    assert "0 cells moved into" in capsys.readouterr().out
    assert not second.exists()
    assert SweepRecord.read(first).parts == before.parts
    record = SweepRecord.read(first)
    assert [cell.folder for cell in record.cells] == ["0000_ddim", "0001_ddpm", "0002_lcm"]
    assert record.axes == {"scheduler": ["ddim", "ddpm", "lcm"]}
    results = read_results(first)
    assert [image.record.sha256 for image in results.images()][2] == lcm
    assert (first / "merged" / two / "own.txt").read_text() == "a note"
    assert (first / "votes.jsonl").read_text() == '{"id": 1}\n{"id"\n{"id": 2}\n'
    assert [part.cells for part in record.parts] == [(0, 1), (1, 2)]
    assert main(["compare", str(first), "--by", "scheduler", "--metrics", "sharpness"]) == 0


def test_what_cannot_be_merged_is_told(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two, _ = ids(outputs)
    for arguments, said in (
        ((one, one), "is the same sweep"),
        ((one, "nothing"), "sweep=nothing: is no sweep in"),
        ((one, "other"), "differ in nothing but prompts, seeds or metrics"),
    ):
        capsys.readouterr()
        changed(outputs, "merge", *arguments, status=2)
        assert said in capsys.readouterr().err
    (path, _), *_ = list_sweeps(outputs)
    with hold(path / ".lock"):
        changed(outputs, "merge", two, one, status=2)
    assert "is being run by another process" in capsys.readouterr().err
    assert len(ids(outputs)) == 3


def test_a_sweep_gets_another_name(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed(outputs, "rename", "other", "best one")
    ((path, record),) = [one for one in list_sweeps(outputs) if one[1].name == "best one"]
    assert path.parent == outputs / "best one"
    assert (outputs / "latest").resolve() == path
    assert not (outputs / "other").exists()
    assert record.cells
    capsys.readouterr()
    changed(outputs, "rename", "last", "a/b", status=2)
    assert "cannot be the name of a folder" in capsys.readouterr().err
    changed(outputs, "rename", "default", "another", status=2)
    assert "is the name of several sweeps" in capsys.readouterr().err


def test_a_sweep_is_deleted_where_somebody_agrees(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (_, _), (second, _), (third, _) = list_sweeps(outputs)
    capsys.readouterr()
    changed(outputs, "delete", str(third), status=2)
    said = capsys.readouterr().err
    assert "1 cell, 1 picture" in said
    assert "is deleted only if somebody agrees" in said
    assert third.is_dir()
    changed(outputs, "delete", "last", "--yes")
    assert not third.exists()
    assert (outputs / "latest").resolve() == second
    assert list(outputs.glob(".deleted-*")) == []
    assert main(["sweeps", str(outputs), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out.partition("\n")[2])
    assert [row["id"] for row in listed] == ids(outputs)
