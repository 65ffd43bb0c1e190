"""`kandinsky export`: copies a run's or a sweep's pictures into folders that scorers read."""

from __future__ import annotations

import argparse
from pathlib import Path

from runner.system.files import LATEST
from runner.system.text import path_here

LAYOUTS = ("geneval", "t2i_compbench")


def main(arguments: list[str]) -> int:
    """Copy the pictures, and print the folders to pass to a scorer."""
    options = parser().parse_args(arguments)
    from runner.analysis.export import export
    from runner.analysis.results import read_results

    folder = options.folder.absolute()
    out = (options.out or folder / f"export-{options.layout}").absolute()
    for path in export(read_results(folder), options.layout, out):
        print(path_here(path))
    return 0


def parser() -> argparse.ArgumentParser:
    """The argument parser."""
    made = argparse.ArgumentParser(
        prog="kandinsky export",
        description="The pictures of a run or a sweep in the folders that scorers of benchmarks "
        "read, one a cell. geneval: a folder a prompt, with its metadata (take GenEval's own "
        "prompts by prompt_file=evaluation_metadata.jsonl). t2i_compbench: named by prompts.",
    )
    made.add_argument(
        "folder", nargs="?", type=Path, default=Path("outputs", LATEST),
        help="of a run or a sweep (default: the newest)",
    )  # fmt: skip
    made.add_argument("--layout", choices=LAYOUTS, default=LAYOUTS[0], help="%(default)s")
    made.add_argument("--out", type=Path, help="default: export-<layout> in the folder")
    return made
