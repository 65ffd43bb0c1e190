"""`kandinsky grid`: the pictures of a run or a sweep on one labelled sheet."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from runner.errors import ConfigError
from runner.images.png import png_bytes
from runner.system.files import LATEST, write_whole
from runner.system.text import path_here


def main(arguments: list[str]) -> int:
    """Draw the sheet(s) into the folder, and print their paths."""
    options = parser().parse_args(arguments)
    from runner.analysis.grids import drawing, layout, shots
    from runner.analysis.lettering import warn_of_substitutes

    if options.out is not None and options.out.suffix.lower() != ".png":
        raise ConfigError("out", options.out, "sheets are PNG files", "a name that ends in .png")
    if options.size < 32:
        raise ConfigError("size", options.size, "is too small to see a picture", "32 or more")
    folder = options.folder.absolute()
    cells = shots.read_cells(folder)
    taken = [shot for cell in cells for shot in cell.shots]
    layout.check_axes(taken, options.rows, options.columns, options.sheets)
    if (options.rows is None) != (options.columns is None):
        given, other = ("rows", "columns") if options.columns is None else ("columns", "rows")
        named = getattr(options, given)
        others = [axis for axis in layout.axes(taken) if axis != named]
        raise ConfigError(given, named, f"needs --{other} beside it", others)
    if options.sheets and options.rows is None:
        raise ConfigError("sheets", options.sheets, "goes with rows and columns")
    if options.rows is None:
        sheets = [layout.by_cell(cells)]
    else:
        sheets = layout.by_axes(cells, options.rows, options.columns, options.sheets)
    widest = max(len(row.tiles) for sheet in sheets for row in sheet.rows)
    if widest > drawing.most_columns(options.size):
        raise ConfigError(
            "size", options.size, f"is too large for {widest} pictures beside each other"
        )
    out = options.out or folder / "grid.png"
    unreadable: list[Path] = []
    pages = (page for sheet in sheets for page in drawing.draw(sheet, options.size, unreadable))
    for number, page in enumerate(pages):
        file = out if number == 0 else out.with_name(f"{out.stem}_{number}{out.suffix}")
        write_whole(file, png_bytes(page))
        print(path_here(file))
    if options.out is None:
        for file in folder.glob("grid_*.png"):  # left by an earlier, longer sheet
            if file.stem.removeprefix("grid_").isdecimal() and int(file.stem[5:]) > number:
                file.unlink()
    for warning in warn_of_substitutes(text for sheet in sheets for text in layout.texts_of(sheet)):
        print(f"warning: {warning}", file=sys.stderr)
    for file in unreadable:
        print(f"warning: {path_here(file)} cannot be read as a picture", file=sys.stderr)
    return 0


def parser() -> argparse.ArgumentParser:
    """The argument parser."""
    made = argparse.ArgumentParser(
        prog="kandinsky grid",
        description="The pictures of a run or a sweep on labelled sheets: a row a cell with its "
        "prompts as captions, or any axes as rows, columns and sheets. An axis is a key that the "
        "sweep varies, or prompt, seed, cell.",
    )
    made.add_argument(
        "folder", nargs="?", type=Path, default=Path("outputs", LATEST),
        help="of a run or a sweep (default: the newest)",
    )  # fmt: skip
    made.add_argument("--rows", metavar="AXIS", help="what rows differ in")
    made.add_argument("--columns", metavar="AXIS", help="what columns differ in")
    made.add_argument(
        "--sheets", metavar="AXIS", action="append", default=[],
        help="what sheets differ in; what varies besides is added",
    )  # fmt: skip
    made.add_argument("--size", type=int, default=160, help="of each picture, px (%(default)s)")
    made.add_argument("--out", type=Path, help="default: grid.png in the folder")
    return made
