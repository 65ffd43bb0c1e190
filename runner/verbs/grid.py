"""`kandinsky grid`: the pictures of runs and sweeps as a labelled sheet, or a figure of a paper."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from runner.errors import ConfigError
from runner.system.machine import check_installed
from runner.system.text import path_here
from runner.verbs.folders import NEWEST, add_folders, check_target, folders_behind
from runner.verbs.parser import VerbParser

VECTORS = (".pdf", ".svg")
PIXELS = (".png", ".jpg", ".jpeg")


def main(arguments: list[str]) -> int:
    """Draw the sheet(s) into the folder, and print their paths."""
    options = parser().parse_args(arguments)
    several = (options.rows, options.columns, options.sheets, options.where, options.labels)
    named = [*options.folders, *folders_behind(several)] or [NEWEST]
    if options.read is not None:
        from runner.analysis.figure_config import read_figure

        print(json.dumps(read_figure(options.read), indent=1, ensure_ascii=True))
        return 0
    _check(options)
    # Imported here, as they import Pillow.
    from runner.analysis.grids import figures
    from runner.analysis.lettering import warn_of_substitutes
    from runner.analysis.together import hidden_differences

    folders = [folder.absolute() for folder in named]
    results, sweeps = figures.read(folders)
    if hidden := hidden_differences(sweeps, results.axes):
        print(f"warning: the sweeps differ besides in {', '.join(hidden)}", file=sys.stderr)
    asked = figures.Asked(**{name: getattr(options, name) for name in figures.ASKED})
    figure = figures.lay_out(results, asked)
    out = (options.out or folders[0] / "grid.png").absolute()
    made = []
    for file in figures.write(figure, sweeps, out, arguments):
        made.append(file)
        print(path_here(file))
    if options.out is None:
        for file in out.parent.glob("grid_*.png"):  # left by an earlier, longer sheet
            if file.stem.removeprefix("grid_").isdecimal() and int(file.stem[5:]) >= len(made):
                file.unlink()
    for warning in [*warn_of_substitutes(figures.texts(figure)), *figures.warnings(figure)]:
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def _check(options: argparse.Namespace) -> None:
    suffix = ".png" if options.out is None else options.out.suffix.lower()
    if suffix not in (*VECTORS, *PIXELS):
        allowed = "a name that ends in .png, .jpg, .pdf or .svg"
        raise ConfigError("out", options.out, "is of no format that grids are drawn in", allowed)
    check_target("out", options.out)
    if suffix in VECTORS:
        check_installed("out", options.out, ("matplotlib",), "a PNG or a JPEG")
    if options.size is not None and options.size < 32:
        raise ConfigError("size", options.size, "is too small to see a picture", "32 or more")
    if options.size is not None and options.width is not None:
        allowed = "--size, or --width of the whole figure"
        raise ConfigError("size", options.size, "does not go with --width", allowed)
    if options.dpi is not None and not 20 <= options.dpi <= 2400:
        raise ConfigError("dpi", options.dpi, "is no resolution of a figure", "20 to 2400")
    if options.width is None and options.dpi is not None and suffix in PIXELS:
        raise ConfigError("dpi", options.dpi, "says how large pixels are", "--width beside it")
    if options.font_size is not None and options.width is None:
        raise ConfigError("font-size", options.font_size, "is of a figure", "--width beside it")
    if options.font_size is not None and not 3 <= options.font_size <= 72:
        raise ConfigError("font-size", options.font_size, "is no size of text", "3 to 72 points")


def parser() -> VerbParser:
    """The argument parser."""
    made = VerbParser(
        prog="kandinsky grid",
        description="The pictures of runs and sweeps on labelled sheets: a row a cell with its "
        "prompts as captions, or any axes as rows, columns and sheets. An axis is a key that the "
        "sweep varies, or prompt, seed, cell. With --width it is a figure for a paper.",
    )
    add_folders(made, "a run or a sweep", "shown")
    several: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    made.add_argument(
        "--rows", metavar="AXIS", **several,
        help="what rows differ in; the values of several axes are nested, the first outside",
    )  # fmt: skip
    made.add_argument("--columns", "--cols", metavar="AXIS", **several, help="the same of columns")
    made.add_argument(
        "--sheets", metavar="AXIS", **several,
        help="what sheets differ in; what varies besides is added",
    )  # fmt: skip
    made.add_argument(
        "--where", metavar="KEY=VALUE", **several,
        help="only pictures with these values, also of prompt and seed; several of one key mean "
        "any of them; * in a prompt is any text",
    )  # fmt: skip
    made.add_argument(
        "--labels", metavar="WHAT=TEXT", **several,
        help="texts in place of keys and values: ddim=DDIM guidance_scale=w; key= leaves it out",
    )  # fmt: skip
    made.add_argument("--title", default="", metavar="TEXT", help="above the pictures")
    made.add_argument("--caption", default="", metavar="TEXT", help="below the pictures")
    made.add_argument("--size", type=int, metavar="PX", help="of each picture, px (160)")
    made.add_argument(
        "--width", metavar="LENGTH", help="of a figure: 6.9in, 17.5cm, 397pt (TeX's points)"
    )
    made.add_argument(
        "--dpi", type=float, metavar="N",
        help="pixels to the inch of a PNG or JPEG figure (300); in PDF and SVG pictures with more "
        "are made smaller (default: all pixels are kept)",
    )  # fmt: skip
    made.add_argument("--font-size", type=float, metavar="PT", help="of a figure's text (8)")
    made.add_argument(
        "--out", type=Path, metavar="FILE",
        help="a .png, .jpg, .pdf or .svg (default: grid.png in the folder)",
    )  # fmt: skip
    made.add_argument(
        "--read", type=Path, metavar="FIGURE",
        help="print the config that a figure or a plot holds, and draw nothing",
    )  # fmt: skip
    return made
