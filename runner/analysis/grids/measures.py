"""The sizes of a sheet's parts: of a contact sheet, or of a figure with a fixed width."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runner.analysis.grids.layout import Gap, Sheet
from runner.analysis.grids.wrapping import ENOUGH, SHEET, length, longest_piece, wrapped
from runner.errors import ConfigError

TEXT, LEADING, GAP, LABEL_WIDTH = SHEET, 18, 10, 130
"""Of a contact sheet, in its pixels."""
HIGHEST = 12_000
"""Most units of one page, and pixels; longer sheets continue on another."""
WIDEST = 16_000
PER_INCH = {"in": 1.0, "cm": 2.54, "mm": 25.4, "pt": 72.27, "bp": 72.0}
"""TeX's points are the smaller ones."""
POINT = 72.0
"""Units of a figure in an inch: PDF's points."""
NARROWEST = 18.0
"""Points of a picture's width."""
MOST_LABEL = 0.22
"""Of a figure's width, for each column of labels."""
SHAPES = (0.2, 5.0)
"""Height over width of the place of a picture."""


@dataclass(frozen=True)
class Measures:
    """In units: pixels of a contact sheet, points of a figure.

    Attributes:
        side, high: of a picture's place.
        labels: the width of each column of labels.
        beside: between a label and what it stands beside.
        apart: added to `gap` between groups of rows and of columns.
        lines: most of a label, a heading and a caption.
        centred: whether headings stand over the middle of their pictures, and labels beside it.
        width: of the whole sheet; None: as wide as its pictures make it.
    """

    side: float
    high: float
    labels: tuple[float, ...]
    gap: float = GAP
    beside: float = GAP
    apart: float = GAP
    edge: float = GAP
    text: float = TEXT
    leading: float = LEADING
    lines: tuple[int, int, int] = (10, 4, 4)
    centred: bool = False
    width: float | None = None
    highest: float = HIGHEST

    def lefts(self, columns: int, headings: Sequence[tuple[str, ...]]) -> list[float]:
        """The left edge of each column, and at the end that of the sheet's right edge."""
        left = self.edge + sum(self.labels) + len(self.labels) * self.beside
        found = []
        for place in range(columns):
            left += self.apart * (place > 0 and starts_group(headings, place))
            found.append(left)
            left += self.side + self.gap
        return [*found, self.width or left - self.gap + self.edge]


def starts_group(parts: Sequence[tuple[str, ...]], place: int) -> bool:
    """Whether outer headings change here."""
    return bool(parts) and parts[place][:-1] != parts[place - 1][:-1]


def of_sheet(side: int, sheets: Iterable[Sheet]) -> Measures:
    """Of a contact sheet with pictures within `side` x `side` pixels.

    Raises:
        ConfigError: it would be too wide.
    """
    known = list(sheets)
    made = Measures(side, side, tuple([float(LABEL_WIDTH)] * _levels(known)))
    widest = max(len(row.tiles) for sheet in known for row in sheet.rows)
    if made.lefts(widest, ())[-1] > WIDEST:
        problem = f"is too large for {widest} pictures beside each other"
        raise ConfigError("size", side, problem)
    return made


def of_figure(width: float, text: float, sheets: Iterable[Sheet]) -> Measures:
    """Of a figure `width` points wide with text of a size; pictures fill what labels leave.

    Raises:
        ConfigError: too little is left.
    """
    known = list(sheets)
    shapes = [
        tile.shape
        for sheet in known
        for row in sheet.rows
        for tile in row.tiles
        if not isinstance(tile, Gap)
    ]
    made = Measures(
        side=0, high=0, labels=_label_widths(known, width, text), gap=2, beside=4, apart=5, edge=1,
        text=text, leading=1.2 * text, lines=(60, 60, 60), centred=True, width=width,
    )  # fmt: skip
    needs = [
        made.lefts(count, sheet.columns)[count - 1] + made.edge
        for sheet in known
        for count in [max(len(row.tiles) for row in sheet.rows)]
    ]
    columns = [max(len(row.tiles) for row in sheet.rows) for sheet in known]
    side = min((width - need) / count for need, count in zip(needs, columns, strict=True))
    if side < NARROWEST:
        least = max(n + NARROWEST * c for n, c in zip(needs, columns, strict=True)) / POINT
        problem = f"is too narrow for {max(columns)} pictures beside each other"
        raise ConfigError("width", f"{width / POINT:g}in", problem, f"{least + 0.05:.1f}in or more")
    shape = min(max(max(shapes, default=1.0), SHAPES[0]), SHAPES[1])
    return Measures(**{**vars(made), "side": side, "high": side * shape})


def points(text: str) -> float:
    """A width such as 6.9in or 17.5cm, in points of PDF. Raises ConfigError."""
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+) ?(in|cm|mm|pt|bp)", text.strip())
    if found is None:
        raise ConfigError("width", text, "is no width", "a number with in, cm, mm or pt: 6.9in")
    wide = float(found[1]) / PER_INCH[found[2]] * POINT
    if not 36 <= wide <= 14_400:
        raise ConfigError("width", text, "is no width of a page", "0.5in to 200in")
    return wide


def _levels(sheets: Sequence[Sheet]) -> int:
    return max(len(row.labels) for sheet in sheets for row in sheet.rows)


def _label_widths(sheets: Sequence[Sheet], width: float, text: float) -> tuple[float, ...]:
    """As wide as labels are, up to a share of the figure and the longest word."""
    found = []
    for level in range(_levels(sheets)):
        texts = {
            row.labels[level] for sheet in sheets for row in sheet.rows if level < len(row.labels)
        }
        natural = max((length(one, text) for one in texts), default=0)
        words = max((longest_piece(one, text) for one in texts), default=0)
        most = MOST_LABEL * width
        room = min(natural, max(min(words, 1.5 * most), most)) + 0.01
        # No wider than the lines that come of it.
        lines = (line for one in texts for line in wrapped(one, room, ENOUGH, text))
        found.append(max((length(line, text) for line in lines), default=0) + 0.02)
    return tuple(found)


def groups(parts: Sequence[tuple[str, ...]], level: int) -> list[tuple[int, int]]:
    """First and last place of each run with the same headings down to a level."""
    places = itertools.groupby(range(len(parts)), key=lambda place: parts[place][: level + 1])
    runs = [list(run) for _, run in places]
    return [(run[0], run[-1]) for run in runs]
