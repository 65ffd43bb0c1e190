"""Sheets as PDF and SVG: text is text, pictures are inside whole. Imports matplotlib."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import Affine2D
from numpy.typing import NDArray
from PIL import Image

from runner.analysis.figure_config import FigureConfig
from runner.analysis.grids.canvas import PAPER, Align, Box, Ends
from runner.analysis.grids.measures import POINT
from runner.analysis.plot_files import drawing_with, save_figure
from runner.images.png import png_bytes, read_png

LINE = 0.4
"""Points."""
Renderer: TypeAlias = Any
"""A matplotlib object, untyped for mypy."""


@dataclass(frozen=True)
class _Picture:
    """A picture that is read when it is written, so that no more than one is in memory.

    Attributes:
        size: of what is written, width and height in pixels.
    """

    file: Path
    size: tuple[int, int]

    def read(self) -> Image.Image:
        image = read_png(self.file)
        return (
            image if image.size == self.size else image.resize(self.size, Image.Resampling.LANCZOS)
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size[1], self.size[0], 3)

    def __getitem__(self, part: slice) -> NDArray[np.uint8]:
        """Rows from below, as matplotlib takes pictures; it reverses them as it writes."""
        return np.asarray(self.read())[::-1][part]


class Vectors:
    """A page whose parts are written by `save`; each unit of the sheet is `scale` points."""

    def __init__(
        self, width: float, height: float, text: float, scale: float = 1, dpi: float | None = None
    ) -> None:
        self.width, self.height, self.scale = width * scale, height * scale, scale
        self.size, self.dpi = text * scale, dpi
        self.texts: list[tuple[float, float, str, Align, str]] = []
        self.shapes: list[tuple[list[float], list[float], str] | Box] = []
        self.pictures: list[tuple[_Picture, str, Box]] = []
        self.known: dict[tuple[str, tuple[int, int]], _Picture] = {}

    def text(self, x: float, baseline: float, line: str, align: Align, colour: str) -> None:
        """Write one line."""
        self.texts.append((x * self.scale, self._up(baseline), line, align, colour))

    def picture(self, file: Path, image: Image.Image, sha256: str, box: Box) -> None:
        """Put a picture in, with all its pixels, or `dpi` of them to the inch."""
        size = image.size
        if self.dpi is not None:
            most = max(1, round(box.width * self.scale / POINT * self.dpi))
            if most < image.width:
                size = (most, max(1, round(image.height * most / image.width)))
        # Equal pictures are inside once.
        one = self.known.setdefault((sha256, size), _Picture(file, size))
        self.pictures.append((one, f"picture-{sha256[:16]}-{size[0]}", box))

    def lines(self, ends: Sequence[Ends], colour: str) -> None:
        """Draw thin lines."""
        # As one path, which a missing number interrupts.
        xs = [at for x, _, to_x, _ in ends for at in (x * self.scale, to_x * self.scale, nan)]
        ys = [at for _, y, _, to_y in ends for at in (self._up(y), self._up(to_y), nan)]
        self.shapes.append((xs, ys, colour))

    def cover(self, box: Box) -> None:
        """Paint over a box."""
        self.shapes.append(box)

    def save(self, kind: str, out: BinaryIO, config: FigureConfig) -> None:
        """Write the page as pdf or svg."""
        lines = [line for _, _, line, _, _ in self.texts]
        with drawing_with(lines):
            figure = Figure((self.width / POINT, self.height / POINT), facecolor=PAPER)
            points = Affine2D().scale(1 / POINT) + figure.dpi_scale_trans
            figure.add_artist(_Pictures(self))
            for shape in self.shapes:
                figure.add_artist(self._artist(shape, points))
            for x, y, line, align, colour in self.texts:
                figure.text(
                    x, y, line, transform=points, horizontalalignment=align, color=colour,
                    verticalalignment="baseline", fontsize=self.size, zorder=4,
                )  # fmt: skip
            save_figure(figure, kind, out, lines, config)

    def _artist(self, shape: tuple[list[float], list[float], str] | Box, points: Any) -> Any:
        if isinstance(shape, Box):
            low = self._up(shape.y + shape.height)
            size = (shape.width * self.scale, shape.height * self.scale)
            corner = (shape.x * self.scale, low)
            return Rectangle(corner, *size, transform=points, color=PAPER, linewidth=0, zorder=3)
        xs, ys, colour = shape
        return Line2D(xs, ys, color=colour, linewidth=LINE, transform=points, zorder=3)

    def _up(self, y: float) -> float:
        """matplotlib counts from below."""
        return self.height - y * self.scale


class _Pictures(Artist):
    """All pictures of a page, each in the file once."""

    def __init__(self, page: Vectors) -> None:
        super().__init__()
        self.page = page
        self.set_zorder(2)

    def draw(self, renderer: Renderer) -> None:
        put = self._put_svg if hasattr(renderer, "writer") else self._put_pdf
        drawn: dict[str, Box] = {}
        for picture, name, box in self.page.pictures:
            put(renderer, picture, name, Box(*(part * self.page.scale for part in box)), drawn)

    def _put_pdf(
        self, renderer: Renderer, picture: _Picture, name: str, box: Box, drawn: dict[str, Box]
    ) -> None:
        gc = renderer.new_gc()
        size = Affine2D().scale(box.width, box.height)
        renderer.draw_image(gc, box.x, self.page.height - box.y - box.height, picture, size)
        gc.restore()

    def _put_svg(
        self, renderer: Renderer, picture: _Picture, name: str, box: Box, drawn: dict[str, Box]
    ) -> None:
        """matplotlib's own way puts pictures in upside down, and twice where they stand twice."""
        first = drawn.setdefault(name, box)
        if first is not box:
            x, y = box.width / first.width, box.height / first.height
            moved = f"matrix({x:g} 0 0 {y:g} {box.x - first.x * x:g} {box.y - first.y * y:g})"
            renderer.writer.element("use", attrib={"xlink:href": f"#{name}", "transform": moved})
            return
        data = base64.b64encode(png_bytes(picture.read())).decode()
        place = {key: f"{value:.6g}" for key, value in box._asdict().items()}
        link = {"xlink:href": f"data:image/png;base64,{data}", "preserveAspectRatio": "none"}
        renderer.writer.element("image", attrib={"id": name, **place, **link})


def vectors(scale: float, dpi: float | None) -> Callable[[float, float, float], Vectors]:
    """Makes pages of that scale."""
    return lambda width, height, text: Vectors(width, height, text, scale, dpi)
