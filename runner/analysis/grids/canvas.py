"""What sheets are drawn on: a picture of pixels here, or a PDF or SVG page (`vector`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias

from PIL import Image, ImageDraw

from runner.analysis.lettering import ascent, draw_text, text_length

Align: TypeAlias = Literal["left", "center", "right"]
Ends: TypeAlias = tuple[float, float, float, float]
"""Of a line: x, y, and the other end's."""
INK, FAINT, PAPER = "#1a1a1a", "#9a9a9a", "#ffffff"


class Box(NamedTuple):
    """A rectangle, in units from the upper left corner."""

    x: float
    y: float
    width: float
    height: float


class Canvas(Protocol):
    """A page; lengths are in the sheet's units, from its upper left corner."""

    def text(self, x: float, baseline: float, line: str, align: Align, colour: str) -> None:
        """Write one line that `drawable` made."""

    def picture(self, file: Path, image: Image.Image, sha256: str, box: Box) -> None:
        """Draw a picture over a whole box; `image` is what `file` holds."""

    def lines(self, ends: Sequence[Ends], colour: str) -> None:
        """Draw thin lines."""

    def cover(self, box: Box) -> None:
        """Paint over a box."""


class Pixels:
    """A picture of pixels, RGB: each unit of the sheet is `scale` of them."""

    def __init__(self, width: float, height: float, text: float, scale: float = 1) -> None:
        self.scale = scale
        self.size = max(1, round(text * scale))
        self.image = Image.new("RGB", (self._at(width), self._at(height)), PAPER)
        self.pen = ImageDraw.Draw(self.image)

    def text(self, x: float, baseline: float, line: str, align: Align, colour: str) -> None:
        """Write one line."""
        shift = {"left": 0.0, "center": 0.5, "right": 1.0}[align]
        left = self._at(x) - (shift * text_length(line, self.size) if shift else 0)
        corner = (round(left), self._at(baseline) - ascent(self.size))
        draw_text(self.pen, corner, line, colour, self.size)

    def picture(self, file: Path, image: Image.Image, sha256: str, box: Box) -> None:
        """Draw a picture, made larger or smaller."""
        size = (max(1, self._at(box.width)), max(1, self._at(box.height)))
        resized = image.resize(size, Image.Resampling.LANCZOS)
        self.image.paste(resized, (self._at(box.x), self._at(box.y)))

    def lines(self, ends: Sequence[Ends], colour: str) -> None:
        """Draw lines of a pixel, or of half a unit."""
        for line in ends:
            places = [self._at(place) for place in line]
            self.pen.line(places, fill=colour, width=max(1, round(self.scale / 2)))

    def cover(self, box: Box) -> None:
        """Paint over a box."""
        x, y, right, low = map(self._at, (box.x, box.y, box.x + box.width, box.y + box.height))
        self.pen.rectangle((x, y, right, low), fill=PAPER)

    def _at(self, units: float) -> int:
        return round(units * self.scale)
