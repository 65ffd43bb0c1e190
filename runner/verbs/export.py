"""`kandinsky export`: copies a run's or a sweep's pictures into folders that scorers read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runner.recording.recorded import read_config
from runner.system.files import output_below
from runner.system.text import path_here
from runner.verbs.folders import NEWEST, add_folder
from runner.verbs.parser import VerbParser

if TYPE_CHECKING:
    from runner.analysis.results import CellResult

LAYOUTS = ("geneval", "t2i_compbench")


def main(arguments: list[str]) -> int:
    """Copy the pictures, and print the folders to pass to a scorer."""
    options = parser().parse_args(arguments)
    from runner.analysis.export import export, read_rows
    from runner.analysis.reading import read_results

    folder = (options.folder or NEWEST).absolute()
    out = options.out or output_below(folder, f"export-{options.layout}")
    results = read_results(folder)
    rows = read_rows(options.prompts.expanduser()) if options.prompts else None
    for path in export(results, options.layout, out.absolute(), rows):
        print(path_here(path))
    if rows is None and options.layout == "geneval" and any(map(_had_rows, results.cells)):
        said = (
            "metadata.jsonl holds the prompts alone; --prompts FILE puts in the lines of their file"
        )
        print(f"note: {said}", file=sys.stderr)
    return 0


def _had_rows(cell: CellResult) -> bool:
    """Whether a cell's prompts came from a file that has more than prompts."""
    return Path(read_config(cell.config).prompt_file or "").suffix.lower() == ".jsonl"


def parser() -> VerbParser:
    """The argument parser."""
    made = VerbParser(
        prog="kandinsky export",
        description="The pictures of a run or a sweep in the folders that scorers of benchmarks "
        "read, one a cell. geneval: a folder a prompt, with its metadata (take GenEval's own "
        "prompts by prompt_file=evaluation_metadata.jsonl, and name that file here by --prompts). "
        "t2i_compbench: named by prompts.",
    )
    add_folder(made, "a run or a sweep")
    made.add_argument("--layout", choices=LAYOUTS, default=LAYOUTS[0], help="%(default)s")
    made.add_argument(
        "--prompts", type=Path, metavar="FILE", help="the .jsonl file that the prompts came from"
    )
    made.add_argument("--out", type=Path, help="default: export-<layout> in the folder")
    return made
