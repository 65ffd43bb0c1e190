"""Draws sheets: row labels at the left, headings above, captions below the pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from runner.analysis.grids.canvas import FAINT, INK, Align, Box, Canvas, Ends
from runner.analysis.grids.layout import Gap, Row, Sheet, Tile
from runner.analysis.grids.measures import Measures, groups, starts_group
from runner.analysis.grids.wrapping import ENOUGH, length, wrapped
from runner.images.png import DamagedPictureError, pixel_sha256, read_png

BASELINE = 0.83
"""Of a line's height, from its upper edge."""
TITLE_LINES = 8
EDGE = 0.5
"""Units by which a frame stays within its box: a line is drawn to both sides of its place."""
UNREADABLE = "missing or damaged"
"""Stands in place of such a picture."""
HATCH = 0.09
"""Of a place's width, between the lines of an empty one."""

Made = TypeVar("Made", bound=Canvas)


@dataclass
class Troubles:
    """What a reader of the sheets should be told.

    Attributes:
        unreadable: files that are missing or damaged; their places are marked.
        cut: texts that end in "…".
    """

    unreadable: list[Path] = field(default_factory=list)
    cut: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True)
class Page(Generic[Made]):
    """A drawn page, and the pictures on it with the SHA-256 of their pixels."""

    canvas: Made
    pictures: dict[Path, str]


@dataclass(frozen=True)
class Words:
    """What is written above and below a sheet's pictures, whatever they are."""

    title: str = ""
    caption: str = ""


@dataclass(frozen=True)
class _Line:
    """A row of a sheet, ready to draw: its text is broken into lines.

    Attributes:
        height: with `after`, what is left empty below it.
    """

    row: Row
    captions: list[list[str]]
    height: float
    after: float


def draw(
    sheet: Sheet,
    sizes: Measures,
    canvas: Callable[[float, float, float], Made],
    troubles: Troubles | None = None,
    words: Words | None = None,
) -> Iterator[Page[Made]]:
    """The sheet; several pages if it is long.

    Args:
        canvas: makes a page of a width and a height, for text of a size.
    """
    return _Drawer(sheet, sizes, troubles or Troubles(), words or Words()).pages(canvas)


class _Drawer:
    def __init__(self, sheet: Sheet, sizes: Measures, troubles: Troubles, words: Words) -> None:
        self.sheet, self.sizes, self.troubles = sheet, sizes, troubles
        count = max(len(row.tiles) for row in sheet.rows)
        *self.lefts, self.width = sizes.lefts(count, sheet.columns)
        title = ", ".join(filter(None, (words.title, sheet.name)))
        whole = self.width - 2 * sizes.edge
        self.title = self._wrap(title, whole, TITLE_LINES)
        self.caption = self._wrap(words.caption, whole, ENOUGH)
        self.headings = [
            [
                (first, last, self._wrap(sheet.columns[first][level], self._span(first, last),
                                         sizes.lines[1]))
                for first, last in groups(sheet.columns, level)
            ]
            for level in range(len(sheet.columns[0]) if sheet.columns else 0)
        ]  # fmt: skip

    def pages(self, canvas: Callable[[float, float, float], Made]) -> Iterator[Page[Made]]:
        """Draw; the caption stands on the last page."""
        sizes = self.sizes
        levels = [max((len(text) for *_, text in level), default=0) for level in self.headings]
        head = sum(levels) * sizes.leading + self._rule * max(0, len(levels) - 1)
        top = sizes.edge + len(self.title) * sizes.leading + head + sizes.edge
        below = len(self.caption) * sizes.leading + sizes.edge * bool(self.caption)
        parts = list(self._parted(top + below))
        for number, lines in enumerate(parts):
            last = number == len(parts) - 1
            height = top + sum(line.height for line in lines) + below * last
            page = Page(canvas(self.width, height, sizes.text), {})
            middle = self.width / 2 if sizes.centred else sizes.edge
            self._write(page.canvas, self.title, middle, sizes.edge, self._align)
            y = sizes.edge + len(self.title) * sizes.leading
            self._write_headings(page.canvas, y, levels)
            self._draw_rows(page, lines, top)
            if last:
                y = height - below + (0 if sizes.centred else -sizes.edge)
                self._write(page.canvas, self.caption, sizes.edge, y, "left")
            yield page

    @property
    def _align(self) -> Align:
        return "center" if self.sizes.centred else "left"

    @property
    def _rule(self) -> float:
        """Height of the line below an outer heading."""
        return self.sizes.leading * 0.3

    def _span(self, first: int, last: int) -> float:
        return self.lefts[last] + self.sizes.side - self.lefts[first]

    def _write_headings(self, canvas: Canvas, y: float, levels: Sequence[int]) -> None:
        for number, (level, most) in enumerate(zip(self.headings, levels, strict=True)):
            inner = number == len(levels) - 1
            for first, last, text in level:
                left, span = self.lefts[first], self._span(first, last)
                x = left + span / 2 if self.sizes.centred else left
                # Of a figure, texts stand on what they head.
                down = (most - len(text)) * self.sizes.leading if self.sizes.centred else 0
                self._write(canvas, text, x, y + down, self._align)
                if not inner and text:
                    at = y + most * self.sizes.leading + self._rule / 2
                    canvas.lines([(left, at, left + span, at)], FAINT)
            y += most * self.sizes.leading + self._rule * (not inner)

    def _draw_rows(self, page: Page[Made], lines: Sequence[_Line], top: float) -> None:
        ys = [top]
        for line in lines:
            ys.append(ys[-1] + line.height)
        labels = [line.row.labels for line in lines]
        x = self.sizes.edge
        for level, width in enumerate(self.sizes.labels):
            for first, last in groups(labels, level):
                if level < len(labels[first]):
                    high = ys[last + 1] - ys[first] - lines[last].after
                    box = Box(x, ys[first], width, high)
                    self._write_label(page.canvas, labels[first][level], box, last + 1 - first)
            x += width + self.sizes.beside
        for line, y in zip(lines, ys, strict=False):
            for place, tile in enumerate(line.row.tiles):
                box = Box(self.lefts[place], y, self.sizes.side, self.sizes.high)
                if isinstance(tile, Gap):
                    self._hatch(page.canvas, box, tile.why)
                    continue
                self._put(page, tile, box)
                self._write(
                    page.canvas, line.captions[place], box.x,
                    y + self.sizes.high + self.sizes.leading * 0.22, "left",
                    FAINT if tile.given else INK,
                )  # fmt: skip

    def _write_label(self, canvas: Canvas, label: str, box: Box, rows: int) -> None:
        most = min(self.sizes.lines[0], max(1, int(box.height / self.sizes.leading + 0.1)))
        lines = self._wrap(label, box.width, most)
        # Beside one row of pictures, not their captions; beside the middle of several rows.
        high = self.sizes.high if rows == 1 else box.height
        spare = high - len(lines) * self.sizes.leading
        down = max(0.0, spare / 2) if self.sizes.centred else 0
        self._write(canvas, lines, box.x, box.y + down, "left")

    def _parted(self, around: float) -> Iterator[list[_Line]]:
        """The rows of each page."""
        page: list[_Line] = []
        height = around
        for line in self._lines():
            if page and height + line.height > self.sizes.highest:
                yield page
                page, height = [], around
            page.append(line)
            height += line.height
        yield page

    def _lines(self) -> list[_Line]:
        sizes, rows = self.sizes, self.sheet.rows
        captions = [
            [[] if isinstance(tile, Gap) else self._caption(tile) for tile in row.tiles]
            for row in rows
        ]
        heights = [sizes.high + max(map(len, row), default=0) * sizes.leading for row in captions]
        labels = [row.labels for row in rows]
        for level, width in enumerate(sizes.labels):
            # A label that is higher than its rows pushes the next ones down.
            for first, last in groups(labels, level):
                if level < len(labels[first]):
                    text = self._wrap(labels[first][level], width, sizes.lines[0])
                    lacks = len(text) * sizes.leading - sum(heights[first : last + 1])
                    heights[last] += max(0, lacks)
        between = sizes.gap if sizes.centred else 2 * sizes.gap
        after = [
            between
            + sizes.apart * (place < len(rows) and starts_group(labels, place))
            + sizes.leading * 0.7 * (sizes.centred and any(captions[place - 1]))
            for place in range(1, len(rows) + 1)
        ]
        return [
            _Line(row, captions[place], heights[place] + after[place], after[place])
            for place, row in enumerate(rows)
        ]

    def _caption(self, tile: Tile) -> list[str]:
        """A caption's lines; where it is too long, its end has a line of its own."""
        side, most = self.sizes.side, self.sizes.lines[2]
        whole = wrapped(f"{tile.caption} {tile.end}", side, ENOUGH, self.sizes.text)
        if len(whole) <= most:
            return whole
        end = self._wrap(tile.end, side, 1)
        return [*self._wrap(tile.caption, side, most - len(end)), *end]

    def _put(self, page: Page[Made], tile: Tile, box: Box) -> None:
        """Draw a picture, or mark its place where it cannot be read."""
        try:
            picture = read_png(tile.file)
        except DamagedPictureError:
            self.troubles.unreadable.append(tile.file)
            self._hatch(page.canvas, box, UNREADABLE)
            return
        scale = min(box.width / picture.width, box.height / picture.height)
        fits = Box(box.x, box.y, picture.width * scale, picture.height * scale)
        if self.sizes.centred:
            fits = fits._replace(
                x=box.x + (box.width - fits.width) / 2, y=box.y + (box.height - fits.height) / 2
            )
        sha256 = page.pictures[tile.file] = pixel_sha256(picture)
        page.canvas.picture(tile.file, picture, sha256, fits)
        if tile.given:
            _frame(page.canvas, fits, 0 if self.sizes.centred else 3)

    def _hatch(self, canvas: Canvas, box: Box, why: str) -> None:
        """An empty place: a frame, lines from corner to corner, and a word."""
        step = max(HATCH * box.width, 2.0)
        hatching: list[Ends] = []
        across = step
        wide, high = box.width - EDGE, box.height - EDGE
        while across < wide + high:
            left, low = max(0.0, across - high), min(across, high)
            right, upper = min(across, wide), max(0.0, across - wide)
            hatching.append((box.x + left, box.y + low, box.x + right, box.y + upper))
            across += step
        canvas.lines(hatching, "#d9d9d9")
        _frame(canvas, box, 0)
        lines = wrapped(why, 0.9 * box.width, 4, self.sizes.text)
        high = len(lines) * self.sizes.leading
        wide = max(length(line, self.sizes.text) for line in lines)
        middle, y = box.x + box.width / 2, box.y + max(0.0, (box.height - high) / 2)
        wide = min(wide + self.sizes.leading * 0.3, box.width)
        canvas.cover(Box(middle - wide / 2, y, wide, min(high, box.height)))
        self._write(canvas, lines, middle, y, "center", "#6a6a6a")

    def _write(
        self, canvas: Canvas, lines: Sequence[str], x: float, y: float, align: Align,
        colour: str = INK,
    ) -> None:  # fmt: skip
        for number, text in enumerate(lines):
            canvas.text(x, y + (number + BASELINE) * self.sizes.leading, text, align, colour)

    def _wrap(self, text: str, width: float, most: int) -> list[str]:
        if not text:
            return []
        lines = wrapped(text, width, ENOUGH, self.sizes.text)
        if len(lines) <= most:
            return lines
        self.troubles.cut[text] = None
        return wrapped(text, width, most, self.sizes.text)


def _frame(canvas: Canvas, box: Box, around: float) -> None:
    left, top = box.x - around, box.y - around
    right, low = box.x + box.width + around - EDGE, box.y + box.height + around - EDGE
    sides = [(left, top, right, top), (right, top, right, low), (right, low, left, low),
             (left, low, left, top)]  # fmt: skip
    canvas.lines(sides, FAINT)
