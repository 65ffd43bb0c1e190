"""`kandinsky table`: a row a picture, of several sweeps together."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas
import pytest

from helpers.fake_sweeps import MANIFEST, Choice, sweep_of, write_results
from runner import table
from runner.analysis.results import CellResult
from runner.analysis.together import value_of
from runner.errors import ConfigError
from runner.recording.manifest import SavedTiming
from runner.recording.sweep_record import SweepRecord
from unit.conftest import Command, assert_refused


def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
    return {"quality": float(choice["decoder.guidance_scale"]) + seed, "seconds": 1.5}


def other_score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
    return {"scheduler": 7.0, "seconds": 1.5}


def stored(choice: Choice, seed: int) -> SavedTiming:
    return SavedTiming(attempt="made.1", workers=1, stored=["decode"], first_calls=[])


@pytest.fixture
def one(tmp_path: Path) -> Path:
    axes = {"scheduler": ("ddim", "ddpm"), "decoder.guidance_scale": ("1", "2.5")}
    folder = tmp_path / "outputs" / "made" / "one"
    made = sweep_of(axes, score, prompts=("=1+1", "a red circle"), seeds=(0, 1), folder=folder)
    write_results(made)
    return folder


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Varies another axis; its scheduler is fixed, and a metric of its has an axis's name."""
    folder = tmp_path / "outputs" / "made" / "two"
    made = sweep_of(
        {"model": ("kandinsky2_1", "kandinsky2_2")}, other_score, seeds=(5,), folder=folder,
        better={"scheduler": "higher"}, timing=stored, whole=lambda choice: {"scheduler.fid": 3.0},
    )  # fmt: skip
    cells = []
    for cell in made.cells:
        assert cell.manifest is not None
        config = {**cell.config, "scheduler": {"name": "lcm", "eta": None}}
        cells.append(replace(cell, manifest=replace(cell.manifest, config=config)))
    write_results(replace(made, cells=tuple(cells)))
    return folder


def test_a_row_a_picture_is_printed_as_csv(one: Path, command: Command) -> None:
    said = command("table", str(one))
    assert (said.status, said.err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert list(rows[0]) == [
        "sweep", "cell", "scheduler", "decoder.guidance_scale", "prompt", "seed", "quality",
        "seconds", "file", "sha256",
    ]  # fmt: skip
    assert len(rows) == 4 * 2 * 2
    assert list(rows[-3].values()) == [
        "made/one", "3", "ddpm", "2.5", "'=1+1", "1", "3.5", "1.5",
        str(one / "0003" / "0001_picture_seed1.png"), "1-1",
    ]  # fmt: skip


def test_several_sweeps_have_the_axes_of_all(one: Path, two: Path) -> None:
    found = table(one, str(two))
    assert list(found.columns) == [
        "sweep", "cell", "scheduler", "decoder.guidance_scale", "model", "prompt", "seed",
        "quality", "score.scheduler", "scheduler.fid", "seconds", "file", "sha256",
    ]  # fmt: skip
    assert len(found) == 16 + 4
    second = found[found["sweep"] == "made/two"]
    # Its scheduler is that of its config; what it has not at all is missing.
    assert set(second["scheduler"]) == {"lcm"}
    assert second["decoder.guidance_scale"].isna().all()
    assert set(second["score.scheduler"]) == {7.0}
    assert set(second["scheduler.fid"]) == {3.0}
    # Its seconds are from the store, those of the first were measured together.
    assert second["seconds"].isna().all()
    first = found[found["sweep"] == "made/one"]
    assert set(first["seconds"]) == {1.5}
    means = first.groupby("decoder.guidance_scale")["quality"].mean()
    assert means.to_dict() == {1.0: 1.5, 2.5: 3.0}


def test_parquet_holds_the_same(one: Path, two: Path, command: Command) -> None:
    said = command("table", str(one), str(two), "--parquet", "a.parquet", "--csv", "a.csv")
    assert (said.status, said.out) == (0, "a.csv\na.parquet\n")
    kept = pandas.read_parquet("a.parquet")
    pandas.testing.assert_frame_equal(kept, table(one, two))
    assert list(pandas.read_csv("a.csv")["quality"]) == pytest.approx(
        list(kept["quality"]), nan_ok=True
    )


def test_a_sweep_without_pictures_has_its_columns(tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "outputs" / "made" / "none"
    write_results(
        sweep_of({"scheduler": ("ddim", "ddpm")}, other_score, pending=[0, 1], folder=folder)
    )
    said = command("table", str(folder))
    assert said.out == "sweep,cell,scheduler,prompt,seed,seconds,file,sha256\n"
    assert "2 of 2 cells not finished (2 PENDING)" in said.err
    assert table(folder).empty


def test_a_sweep_is_found_by_its_id_its_name_or_as_the_last_one(command: Command) -> None:
    folder = Path("outputs", "made", "one").absolute()
    write_results(sweep_of({"decoder.guidance_scale": ("1", "4")}, score, folder=folder))
    record = SweepRecord.read(folder)
    wanted = command("table", str(folder)).out
    assert wanted.count("\n") > 1
    for named in ("last", record.name, record.sweep_id):
        assert command("table", named).out == wanted
    Path(record.name).mkdir()  # a folder of that name comes first
    assert_refused(command("table", record.name), "no folder of a run or a sweep")


def test_wrong_folders_are_one_message(one: Path, command: Command) -> None:
    assert_refused(command("table", str(one.parent)), "no folder of a run or a sweep")
    assert_refused(command("table", str(one), str(one / ".." / "one")), "is named twice")
    for option, name in (("--csv", "x.parquet"), ("--parquet", "x.csv"), ("--csv", "none/x.csv")):
        assert_refused(command("table", str(one), option, name), f"{option[2:]}={name}: ")
    file = next(one.glob("*/manifest.json"))
    file.write_text(file.read_text().replace('"quality": 1', '"quantity": 1'))
    assert_refused(command("table", str(one)), "'quantity' is none of its metrics")
    with pytest.raises(ConfigError, match="none is named"):
        table()


@pytest.mark.parametrize(
    ("config", "key", "value"),
    [
        ({"name": "t"}, "quantize.denoiser", "none"),
        ({"name": "t"}, "lora.0.weight", None),
        ({"lora": [{"path": "x", "weight": 0.5}]}, "lora.0.weight", "0.5"),
        ({}, "quantize.denoiser", None),  # it has not begun
    ],
)
def test_a_cell_has_the_values_that_its_record_leaves_out(
    config: dict[str, Any], key: str, value: str | None
) -> None:
    cell = CellResult(0, Path("0000"), (), {}, replace(MANIFEST, config=config))
    assert value_of(cell, key) == value
