"""`kandinsky report`: writes the HTML page of a sweep or a run, readable without a network."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

from runner.verbs.folders import NEWEST, add_folders
from runner.verbs.parser import VerbParser


def main(arguments: list[str]) -> int:
    """Write the page, and print its path."""
    options = parser().parse_args(arguments)
    # Imported here: --help needs no Pillow.
    from runner.analysis.report.writing import LARGEST_FILE, write_report
    from runner.system.text import command, format_bytes, path_here, pluralize

    folder, *others = [
        named.resolve() if named.exists() else named.absolute()
        for named in options.folders or [NEWEST]
    ]
    made = write_report(folder, options.out and options.out.absolute(), others)
    images, cells = (
        pluralize(len(made.facts.images), "image"),
        pluralize(len(made.facts.cells), "cell"),
    )
    print(f"{path_here(made.index)}  {images} of {cells}")
    megabytes = format_bytes(made.alone_bytes)
    if made.alone is not None:
        print(f"{path_here(made.alone)}  the same in one file, {megabytes}")
    else:
        most = format_bytes(LARGEST_FILE)
        print(f"no single file: it would have {megabytes}, more than {most}", file=sys.stderr)
    for file in made.unreadable:
        print(f"warning: {path_here(file)} cannot be read as a picture", file=sys.stderr)
    if made.facts.outdated:
        again = command("compare", path_here(folder))
        print(
            f"warning: the comparison is of before the sweep went on; anew: {again}",
            file=sys.stderr,
        )
    if made.facts.votes is not None and made.facts.votes["outdated"]:
        again = command("compare", path_here(folder))
        print(
            f"warning: pictures or votes changed since votes were counted; anew: {again}",
            file=sys.stderr,
        )
    if made.alone is not None and options.out is None and not others:
        _log(folder, made.alone)
    if options.open and not webbrowser.open(made.index.as_uri()):
        print("no browser was found to open it in", file=sys.stderr)
    return 0


def _log(folder: Path, page: Path) -> None:
    """Put a sweep's page into its MLflow run."""
    from runner.analysis.comparison import logged
    from runner.analysis.reading import read_results
    from runner.analysis.report.writing import NAME
    from runner.recording.sweep_record import SWEEP

    if (folder / SWEEP).is_file():
        logged.log(read_results(folder), [page], NAME, "report")


def parser() -> VerbParser:
    """The argument parser."""
    made = VerbParser(
        prog="kandinsky report",
        description="The page of a sweep or a run: its pictures by any axes, the table of its "
        "cells, plots, comparisons and failures. A folder that any browser opens without a "
        "network, and the same as one file where that stays below 20 MB. An earlier report at "
        "its place is replaced.",
    )
    add_folders(made, "a run or a sweep", "shown")
    made.add_argument(
        "--out", type=Path, metavar="DIR", help="the page's folder (default: report in the folder)"
    )
    made.add_argument("--open", action="store_true", help="in a browser")
    return made
