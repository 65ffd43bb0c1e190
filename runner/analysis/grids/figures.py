"""From pictures and what is asked to files: PNG, JPEG, PDF and SVG."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from runner.analysis.figure_config import KEY, FigureConfig, as_exif, as_text, asked_by, config_of
from runner.analysis.grids.canvas import Pixels
from runner.analysis.grids.drawing import Page, Troubles, Words, draw
from runner.analysis.grids.layout import Sheet, by_axes, by_cell, check_axes, texts_of
from runner.analysis.grids.measures import HIGHEST, POINT, Measures, of_figure, of_sheet, points
from runner.analysis.grids.naming import axes, names_of
from runner.analysis.grids.shots import chosen
from runner.analysis.results import SweepResult
from runner.analysis.together import combined, labels_of, read_all
from runner.errors import ConfigError
from runner.images.png import png_bytes
from runner.system.files import write_by, write_whole
from runner.system.text import path_here, shorten

ASKED = (
    "rows", "columns", "sheets", "where", "labels", "title", "caption", "size", "width", "dpi",
    "font_size",
)  # fmt: skip
SIDE, FONT_SIZE, DPI = 160, 8.0, 300.0
"""Defaults: pixels of a picture on a sheet; of figures the points of text, pixels to the inch."""
SHEET_UNIT = 0.75
"""Points of a contact sheet's pixel in PDF and SVG, as in browsers."""
JPEG = {"quality": 95, "subsampling": 0}


@dataclass(frozen=True)
class Asked:
    """The options of `kandinsky grid`; None and empty ones were not given."""

    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    sheets: Sequence[str] = ()
    where: Sequence[str] = ()
    labels: Sequence[str] = ()
    title: str = ""
    caption: str = ""
    size: int | None = None
    width: str | None = None
    dpi: float | None = None
    font_size: float | None = None


@dataclass(frozen=True)
class Laid:
    """Sheets, and how they are to be drawn."""

    asked: Asked
    sheets: Sequence[Sheet]
    sizes: Measures
    troubles: Troubles = field(default_factory=Troubles)


def read(folders: Sequence[Path]) -> tuple[SweepResult, list[SweepResult]]:
    """Sweeps and runs as one, and each of them. Raises ConfigError."""
    sweeps = read_all(folders)
    return (sweeps[0] if len(sweeps) == 1 else combined(sweeps)), sweeps


def lay_out(results: SweepResult, asked: Asked) -> Laid:
    """Choose the pictures, name and place them.

    Raises:
        ConfigError: there is no such axis, value or picture, or not enough space.
    """
    cells = chosen(results, asked.where)
    shots = [shot for cell in cells for shot in cell.shots]
    names = names_of(cells, asked.labels)
    check_axes(shots, asked.rows, asked.columns, asked.sheets)
    if bool(asked.rows) != bool(asked.columns):
        given, other = ("rows", "columns") if asked.rows else ("columns", "rows")
        said = getattr(asked, given)
        others = [axis for axis in axes(shots) if axis not in said]
        raise ConfigError(given, " ".join(said), f"needs --{other} beside it", others)
    if asked.sheets and not asked.rows:
        raise ConfigError("sheets", " ".join(asked.sheets), "goes with rows and columns")
    if asked.rows:
        sheets = by_axes(cells, asked.rows, asked.columns, asked.sheets, names)
    else:
        sheets = [by_cell(cells, names)]
    if asked.width is None:
        return Laid(asked, sheets, of_sheet(asked.size or SIDE, sheets))
    text = asked.font_size or FONT_SIZE
    return Laid(asked, sheets, of_figure(points(asked.width), text, sheets))


def texts(laid: Laid) -> Iterator[str]:
    """All that is written."""
    yield from (laid.asked.title, laid.asked.caption)
    for sheet in laid.sheets:
        yield from texts_of(sheet)


def warnings(laid: Laid) -> Iterator[str]:
    """What went wrong as it was drawn."""
    for file in laid.troubles.unreadable:
        yield f"{path_here(file)} cannot be read as a picture"
    cut = list(laid.troubles.cut)
    if cut:
        more = f" and {len(cut) - 1} more" if len(cut) > 1 else ""
        yield (
            f"too long to be shown whole, and cut with “…”: {shorten(cut[0])}{more}; "
            "--labels gives a text a shorter one"
        )


def write(
    laid: Laid, sweeps: Sequence[SweepResult], out: Path, arguments: Sequence[str]
) -> Iterator[Path]:
    """Write the file, and numbered ones for more sheets or pages; each is yielded once it is there.

    Raises:
        StorageError: a file cannot be written.
    """
    said = asked_by("grid", arguments, sweeps)
    for name in ("title", "rows", "columns", "sheets", "where", "labels"):
        said[name] = getattr(laid.asked, name)
    for number, (page, save) in enumerate(_drawn(laid, out.suffix.lower())):
        file = out if number == 0 else out.with_name(f"{out.stem}_{number}{out.suffix}")
        pictures = [
            {"file": _named(picture, sweeps), "sha256": sha256}
            for picture, sha256 in page.pictures.items()
        ]
        save(page, file, config_of("grid", **said, page=number, pictures=pictures))
        yield file


def _named(file: Path, sweeps: Sequence[SweepResult]) -> str:
    """A picture by the last names of its sweep's folder and below."""
    labels = labels_of([sweep.folder for sweep in sweeps])
    for sweep, label in zip(sweeps, labels, strict=True):
        if file.is_relative_to(sweep.folder):
            return f"{label}/{file.relative_to(sweep.folder).as_posix()}"
    return file.name


def _drawn(laid: Laid, suffix: str) -> Iterator[tuple[Page[Any], Any]]:
    asked, words = laid.asked, Words(laid.asked.title, laid.asked.caption)
    figure = asked.width is not None
    sizes = laid.sizes
    if suffix in (".pdf", ".svg"):
        # Only now: it imports matplotlib.
        from runner.analysis.grids.vector import vectors

        canvas: Any = vectors(1 if figure else SHEET_UNIT, asked.dpi)
        save: Any = partial(_save_vectors, suffix[1:])
    else:
        dpi = asked.dpi or DPI
        scale = dpi / POINT if figure else 1.0
        sizes = Measures(**{**vars(sizes), "highest": HIGHEST / scale})
        canvas = partial(Pixels, scale=scale)
        save = partial(_save_pixels, suffix, dpi if figure else None)
    for sheet in laid.sheets:
        for page in draw(sheet, sizes, canvas, laid.troubles, words):
            yield page, save


def _save_vectors(kind: str, page: Page[Any], file: Path, config: FigureConfig) -> None:
    write_by(file, lambda out: page.canvas.save(kind, out, config))


def _save_pixels(
    suffix: str, dpi: float | None, page: Page[Pixels], file: Path, config: FigureConfig
) -> None:
    image = page.canvas.image
    resolution: Mapping[str, Any] = {} if dpi is None else {"dpi": (dpi, dpi)}
    if suffix == ".png":
        write_whole(file, png_bytes(image, {KEY: as_text(config)}, **resolution))
        return
    out = io.BytesIO()
    image.save(out, format="JPEG", exif=as_exif(config), **JPEG, **resolution)
    write_whole(file, out.getvalue())
