"""Text in sheets: within its width, in the right glyphs."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from runner.analysis.grids.canvas import Pixels
from runner.analysis.grids.drawing import Troubles, draw
from runner.analysis.grids.layout import Row, Sheet, Tile
from runner.analysis.grids.measures import HIGHEST, TEXT, of_sheet
from runner.analysis.grids.wrapping import wrapped
from runner.mini.known import read_known
from runner.system.fonts import FONT
from runner.weights.find import MINI_DIR

MEASURE = ImageFont.truetype(FONT, TEXT, layout_engine=ImageFont.Layout.BASIC)
TEXTS = {
    "english": "a yellow triangle above a blue square on a black background",
    "russian": "жёлтый треугольник над синим квадратом на чёрном фоне",
    "chinese": "黑色背景上有一个黄色三角形在蓝色正方形的上面，非常好看的图片",
    "one long word": "w" * 300,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("width", [40, 160])
def test_lines_fit_and_hold_the_whole_text(text: str, width: int) -> None:
    lines = wrapped(text, width, 1000)
    assert all(0 < MEASURE.getlength(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_text_with_too_many_lines_ends_in_an_ellipsis() -> None:
    lines = wrapped(TEXTS["english"], 80, 2)
    assert len(lines) == 2
    assert lines[-1].endswith("…")
    assert MEASURE.getlength(lines[-1]) <= 80


def test_line_breaks_of_a_prompt_are_spaces() -> None:
    assert wrapped("a\nred\tcircle", 300, 3) == ["a red circle"]


def glyph(character: str) -> bytes:
    image = Image.new("L", (24, 24))
    ImageDraw.Draw(image).text((2, 0), character, 255, MEASURE)
    return image.tobytes()


def test_every_word_of_the_small_family_has_its_glyphs() -> None:
    missing = glyph("\U0001f9ff")  # an emoji, which the font has not
    known = read_known(MINI_DIR)
    letters = {letter for word in known.words | known.chinese for letter in word}
    assert {"ж", "圆"} <= letters
    assert not [letter for letter in letters if glyph(letter) == missing]


def pages_of(sheet: Sheet, troubles: Troubles | None = None) -> list[Image.Image]:
    drawn = draw(sheet, of_sheet(64, [sheet]), Pixels, troubles)
    return [page.canvas.image for page in drawn]


def test_a_long_sheet_goes_on_to_another_page(tmp_path: Path) -> None:
    file = tmp_path / "red.png"
    Image.new("RGB", (64, 64), "red").save(file)
    rows = tuple(Row((f"row {n}",), (Tile(file),)) for n in range(200))
    pages = pages_of(Sheet("", (), rows))
    assert len(pages) == 2
    assert all(page.height <= HIGHEST for page in pages)
    assert sum(map(count_red, pages)) == 200 * 64 * 64


def count_red(page: Image.Image) -> int:
    return sum(count for count, colour in page.getcolors(1 << 24) or [] if colour == (255, 0, 0))


def test_keys_break_behind_their_parts() -> None:
    lines = wrapped("decoder.num_inference_steps=10", 130, 10)
    assert lines == ["decoder.num_", "inference_steps=10"]
