"""Draws sheets: row labels at the left, headings above, captions below the pictures."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from PIL import Image, ImageDraw

from runner.analysis.grids.layout import Row, Sheet, Tile
from runner.analysis.lettering import draw_text, drawable, is_mark, text_length
from runner.images.png import DamagedPictureError, read_png

TEXT, LEADING = 13, 18
GAP = 10
LABEL_WIDTH = 130
CAPTION_LINES, LABEL_LINES = 4, 10
HIGHEST = 12_000
"""Most pixels of one page; longer sheets continue on another."""
INK, FAINT, PAPER = "#1a1a1a", "#9a9a9a", "#ffffff"
WIDEST = 16_000
UNREADABLE = "missing or damaged"
"""Stands in place of such a picture."""


@dataclass(frozen=True)
class _Line:
    """A row of a sheet, ready to draw: its text is broken into lines."""

    row: Row
    label: list[str]
    captions: list[list[str]]
    height: int


def draw(sheet: Sheet, side: int, unreadable: list[Path] | None = None) -> Iterator[Image.Image]:
    """The sheet, RGB, each picture within `side` x `side` pixels; several pages if it is long.

    Args:
        unreadable: gets the files that are missing or damaged; the sheet marks their places.
    """
    columns = max(len(row.tiles) for row in sheet.rows)
    width = LABEL_WIDTH + 2 * GAP + columns * (side + GAP)
    title = wrapped(sheet.name, width - 2 * GAP, 3) if sheet.name else []
    headings = [wrapped(heading, side, CAPTION_LINES) for heading in sheet.columns]
    head = len(title) + max(map(len, headings), default=0)
    top = 2 * GAP + head * LEADING
    for lines in _pages([_line(row, side) for row in sheet.rows], top):
        page = Image.new("RGB", (width, top + sum(line.height for line in lines)), PAPER)
        pen = ImageDraw.Draw(page)
        _write(pen, title, GAP, GAP)
        for place, heading in enumerate(headings):
            _write(pen, heading, _left(place, side), GAP + len(title) * LEADING)
        y = top
        for line in lines:
            _write(pen, line.label, GAP, y)
            for place, tile in enumerate(line.row.tiles):
                if tile is not None:
                    x = _left(place, side)
                    if not _put(page, pen, tile, (x, y), side) and unreadable is not None:
                        unreadable.append(tile.file)
                    _write(pen, line.captions[place], x, y + side + 4, FAINT if tile.given else INK)
            y += line.height
        yield page


def most_columns(side: int) -> int:
    """How many pictures of `side` pixels fit beside each other on one sheet."""
    return (WIDEST - LABEL_WIDTH - 2 * GAP) // (side + GAP)


def wrapped(text: str, width: int, most: int) -> list[str]:
    """Text in at most `most` lines of at most `width` pixels; a longer one ends in "…".

    Broken at spaces, and within a word that is too long, as in Chinese, which has no spaces.
    Characters that no font has become boxes.
    """
    lines: list[str] = []
    line = ""
    for piece in _pieces(drawable(" ".join(text.split()))):
        if _length(line + piece.rstrip()) > width and line:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
        while _length(line.rstrip()) > width:
            lengths = range(1, len(line))
            fits = bisect_right(lengths, width, key=lambda n: ceil(_length(line[:n])))
            while fits > 1 and is_mark(line[fits]):
                fits -= 1
            fits = max(fits, 1)
            lines.append(line[:fits])
            line = line[fits:]
    lines.append(line.rstrip())
    if len(lines) > most:
        lines = lines[:most]
        while lines[-1] and _length(lines[-1] + "…") > width:
            lines[-1] = lines[-1][:-1]
        lines[-1] += "…"
    return [line for line in lines if line]


def _length(text: str) -> float:
    return text_length(text, TEXT)


def _pieces(text: str) -> Iterator[str]:
    """Words with the space behind them, keys in parts; single characters of scripts that have no
    spaces.
    """
    word = ""
    for character in text:
        if character == " ":
            yield f"{word} "
            word = ""
        elif character >= "\u3000":
            if word:
                yield word
            yield character
            word = ""
        else:
            word += character
            if character in "._=":
                yield word
                word = ""
    if word:
        yield word


def _line(row: Row, side: int) -> _Line:
    label = wrapped(row.label, LABEL_WIDTH, LABEL_LINES)
    captions = [_caption(tile, side) if tile else [] for tile in row.tiles]
    below = max(map(len, captions), default=0)
    height = max(side + below * LEADING, len(label) * LEADING) + 2 * GAP
    return _Line(row, label, captions, height)


def _caption(tile: Tile, side: int) -> list[str]:
    """A caption's lines; where it is too long, its end has a line of its own."""
    whole = wrapped(f"{tile.caption} {tile.end}", side, CAPTION_LINES)
    if not tile.end or not whole[-1].endswith("…"):
        return whole
    end = wrapped(tile.end, side, 1)
    return [*wrapped(tile.caption, side, CAPTION_LINES - len(end)), *end]


def _pages(lines: list[_Line], top: int) -> Iterator[list[_Line]]:
    page: list[_Line] = []
    height = top
    for line in lines:
        if page and height + line.height > HIGHEST:
            yield page
            page, height = [], top
        page.append(line)
        height += line.height
    yield page


def _left(column: int, side: int) -> int:
    return LABEL_WIDTH + 2 * GAP + column * (side + GAP)


def _put(
    page: Image.Image, pen: ImageDraw.ImageDraw, tile: Tile, corner: tuple[int, int], side: int
) -> bool:
    """Draw a picture, or mark its place where it cannot be read; whether it could."""
    try:
        picture = read_png(tile.file)
    except DamagedPictureError:
        x, y = corner
        pen.rectangle((x, y, x + side - 1, y + side - 1), outline=FAINT)
        _write(pen, wrapped(UNREADABLE, side - 2 * GAP, 2), x + GAP, y + GAP, FAINT)
        return False
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    x, y = corner
    page.paste(picture.resize(size, Image.Resampling.LANCZOS), corner)
    if tile.given:
        pen.rectangle((x - 3, y - 3, x + size[0] + 2, y + size[1] + 2), outline=FAINT)
    return True


def _write(pen: ImageDraw.ImageDraw, lines: list[str], x: int, y: int, colour: str = INK) -> None:
    for number, text in enumerate(lines):
        draw_text(pen, (x, y + number * LEADING), text, colour, TEXT)
