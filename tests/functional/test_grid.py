"""`kandinsky grid`: the pictures of a sweep where their axes say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from functional.made import STEPS
from runner import sweep
from runner.cli import main
from runner.grids.drawing import GAP, LABEL_WIDTH, draw
from runner.grids.layout import Row, Sheet, Tile
from runner.image_files import png_bytes
from runner.outputs import read_manifest
from runner.sweep_folder import read_record

SIDE = 128
LEFT = LABEL_WIDTH + 2 * GAP
PROMPTS = ("a red circle", "синий квадрат")


@pytest.fixture(scope="module")
def swept(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 schedulers x 2 guidance scales, each 2 prompts x 2 seeds."""
    output_dir = tmp_path_factory.mktemp("grid")
    sweep(
        "scheduler=ddim,ddpm", "decoder.guidance_scale=1,4", *STEPS, weights=weights,
        prompt=list(PROMPTS), seeds=[1, 2], output_dir=output_dir, tracking="none",
        progress="quiet",
    )  # fmt: skip
    return (output_dir / "latest").resolve()


def picture(swept: Path, cell: int, prompt: str, seed: int) -> NDArray[np.uint8]:
    folder = swept / read_record(swept).cells[cell].folder
    (file,) = (
        image["file"]
        for image in read_manifest(folder)["images"]
        if (image["prompt"], image["seed"]) == (prompt, seed)
    )
    return np.asarray(Image.open(folder / file))


def tiles(sheet: Path) -> list[list[NDArray[np.uint8]]]:
    """Pictures of a sheet, by rows and columns: found by what is not paper at their left edge."""
    pixels = np.asarray(Image.open(sheet))
    columns = (pixels.shape[1] - LEFT) // (SIDE + GAP)
    starts, y = [], 0
    strip = (pixels[:, LEFT : LEFT + SIDE] != 255).any(axis=2).mean(axis=1) > 0.6
    while y < len(strip):
        if strip[y]:
            starts.append(y)
            y += SIDE
        y += 1
    return [
        [pixels[y : y + SIDE, LEFT + c * (SIDE + GAP) :][:, :SIDE] for c in range(columns)]
        for y in starts
    ]


def test_a_row_a_cell_holds_its_pictures(swept: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    assert main(["grid", str(swept), "--size", str(SIDE), "--out", str(out)]) == 0
    rows = tiles(out)
    assert len(rows) == 4
    for cell, row in enumerate(rows):
        wanted = [picture(swept, cell, prompt, seed) for prompt in PROMPTS for seed in (1, 2)]
        assert all(np.array_equal(a, b) for a, b in zip(row, wanted, strict=True))


def test_axes_become_rows_columns_and_sheets(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sheet.png"
    layout = ["--rows", "scheduler", "--columns", "seed", "--sheets", "prompt"]
    capsys.readouterr()
    assert main(["grid", str(swept), *layout, "--size", str(SIDE), "--out", str(out)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    # Guidance varies besides, so it tells sheets apart, within each prompt.
    sheets = [out, *(out.with_name(f"sheet_{number}.png") for number in (1, 2, 3))]
    chosen = [(prompt, guidance) for prompt in PROMPTS for guidance in (0, 1)]
    for sheet, (prompt, guidance) in zip(sheets, chosen, strict=True):
        for row, scheduler in zip(tiles(sheet), (0, 1), strict=True):
            for shown, seed in zip(row, (1, 2), strict=True):
                wanted = picture(swept, 2 * scheduler + guidance, prompt, seed)
                assert np.array_equal(shown, wanted)


def test_the_newest_run_is_drawn_into_its_own_folder(
    swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "latest").symlink_to(swept)
    monkeypatch.chdir(tmp_path)
    assert main(["grid"]) == 0
    with Image.open(swept / "grid.png") as sheet:
        assert sheet.width > 4 * 160


def test_pictures_of_other_shapes_keep_them(tmp_path: Path) -> None:
    wide = tmp_path / "wide.png"
    wide.write_bytes(png_bytes(Image.new("RGB", (64, 32), "red"), {}))
    (page,) = draw(Sheet("", (), (Row("", (Tile(wide),)),)), SIDE)
    red = (np.asarray(page) == (255, 0, 0)).all(axis=2)
    assert red.sum() == SIDE * SIDE // 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rows", "scheduler"], "rows=scheduler: goes with the other"),
        (["--rows", "steps", "--columns", "seed"], "rows=steps: is no axis of these pictures"),
        (["--size", "4"], "size=4: is too small"),
        (["--size", "9000"], "size=9000: is too large for 4 pictures"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(
    swept: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grid", str(swept), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_of_something_else_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grid", str(tmp_path)]) == 2
    assert "is no folder of a run or a sweep" in capsys.readouterr().err
