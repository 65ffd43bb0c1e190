"""`kandinsky table`: the pictures of sweeps and runs as one table, a row a picture."""

from __future__ import annotations

import sys
from pathlib import Path

from runner.system.files import write_whole
from runner.system.machine import check_installed
from runner.system.text import path_here
from runner.verbs.folders import NEWEST, add_folders, check_target
from runner.verbs.parser import VerbParser

PARQUET = ("pandas", "pyarrow")
"""Packages that Parquet needs; mlflow brings them, its small edition does not."""


def main(arguments: list[str]) -> int:
    """Write the table into files, or print it as CSV."""
    options = parser().parse_args(arguments)
    from runner.analysis.comparison.notes import missing
    from runner.analysis.table import table_of
    from runner.analysis.together import read_all

    check_target("csv", options.csv, [".parquet"])
    check_target("parquet", options.parquet, [".csv"])
    if options.parquet is not None:
        check_installed("parquet", options.parquet, PARQUET, "--csv FILE")
    folders = [folder.absolute() for folder in options.folders or [NEWEST]]
    sweeps = read_all(folders)
    table = table_of(sweeps, path_here)
    for sweep in sweeps:
        for warning in missing(sweep):
            print(f"warning: {path_here(sweep.folder)}: {warning}", file=sys.stderr)
    # Half of a surrogate pair cannot be encoded.
    if options.csv is not None:
        write_whole(options.csv.absolute(), table.as_csv().encode("utf-8", "replace"))
    if options.parquet is not None:
        write_whole(options.parquet.absolute(), table.as_parquet())
    if options.csv is None and options.parquet is None:
        print(table.as_csv(), end="")
    else:
        for file in filter(None, (options.csv, options.parquet)):
            print(path_here(file.absolute()))
    return 0


def parser() -> VerbParser:
    """The argument parser."""
    made = VerbParser(
        prog="kandinsky table",
        description="One table of the pictures of sweeps and runs, a row a picture: sweep, cell, "
        "each axis of any of them, prompt, seed, scores, votes, seconds where they were measured, "
        "file, SHA-256 of the pixels. Printed as CSV where no file is named.",
    )
    add_folders(made, "a run or a sweep")
    made.add_argument("--csv", type=Path, metavar="FILE", help="write it as CSV")
    made.add_argument("--parquet", type=Path, metavar="FILE", help="write it as Parquet")
    return made
