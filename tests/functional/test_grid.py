"""`kandinsky grid`: the pictures of a sweep, placed by their axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from functional.made import STEPS
from helpers.manifests import read_manifest
from runner import sweep
from runner.analysis.grids.canvas import Pixels
from runner.analysis.grids.drawing import draw
from runner.analysis.grids.layout import Row, Sheet, Tile
from runner.analysis.grids.measures import GAP, LABEL_WIDTH, of_sheet
from runner.cli import main
from runner.images.png import png_bytes
from runner.recording.sweep_record import SweepRecord

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
    folder = swept / SweepRecord.read(swept).cells[cell].folder
    (file,) = (
        image["file"]
        for image in read_manifest(folder)["images"]
        if (image["prompt"], image["seed"]) == (prompt, seed)
    )
    return np.asarray(Image.open(folder / file))


def place(sheet: Path, wanted: NDArray[np.uint8]) -> tuple[int, int]:
    """Where a picture stands, pixel by pixel: its upper edge, and the number of its column."""
    pixels = np.asarray(Image.open(sheet))
    found = []
    for column in range((pixels.shape[1] - LEFT) // (SIDE + GAP)):
        strip = pixels[:, LEFT + column * (SIDE + GAP) :][:, :SIDE]
        for y in np.flatnonzero((strip == wanted[0]).all(axis=(1, 2))):
            if np.array_equal(strip[y : y + SIDE], wanted):
                found.append((int(y), column))
    (only,) = found
    return only


def test_a_row_a_cell_holds_its_pictures(swept: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    assert main(["grid", str(swept), "--size", str(SIDE), "--out", str(out)]) == 0
    edges = []
    for cell in range(4):
        wanted = [picture(swept, cell, prompt, seed) for prompt in PROMPTS for seed in (1, 2)]
        places = [place(out, one) for one in wanted]
        assert [column for _, column in places] == [0, 1, 2, 3]
        (edge,) = {y for y, _ in places}
        edges.append(edge)
    assert edges == sorted(set(edges))


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
        ddim, ddpm = (
            [place(sheet, picture(swept, 2 * row + guidance, prompt, seed)) for seed in (1, 2)]
            for row in (0, 1)
        )
        assert [column for _, column in ddim] == [column for _, column in ddpm] == [0, 1]
        assert ddim[0][0] == ddim[1][0] < ddpm[0][0] == ddpm[1][0]


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
    sheet = Sheet("", (), (Row(("",), (Tile(wide),)),))
    (page,) = draw(sheet, of_sheet(SIDE, [sheet]), Pixels)
    red = (np.asarray(page.canvas.image) == (255, 0, 0)).all(axis=2)
    assert red.sum() == SIDE * SIDE // 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rows", "scheduler"], "rows=scheduler: needs --columns beside it"),
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
