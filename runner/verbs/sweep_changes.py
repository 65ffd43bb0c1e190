"""`kandinsky sweeps merge`, `delete` and `rename`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from runner.errors import ConfigError
from runner.runs.merging import merge
from runner.runs.sweep_care import KeptSweep, delete, find_kept, rename, size_of
from runner.system.text import for_outputs, format_bytes, path_here, pluralize
from runner.verbs.parser import VerbParser

ALIKE = "a sweep: its id, name or folder, or `last`"


def change(arguments: Sequence[str]) -> int:
    """Run one of the changes. Raises ConfigError where it cannot be made."""
    options = parser().parse_args(arguments)
    sweep = find_kept(options.sweep, options.output_dir.absolute())
    if options.change == "rename":
        print(f"{path_here(rename(sweep, options.name))}/")
    elif options.change == "delete":
        _ask(sweep, options.yes)
        delete(sweep)
        print(f"deleted: {path_here(sweep.path)}/")
    else:
        other = find_kept(options.other, sweep.output_dir)
        moved, both = merge(sweep, other)
        had = f"; {pluralize(both, 'cell')} it had" if both else ""
        print(f"{pluralize(moved, 'cell')} moved into {path_here(sweep.path)}/{had}")
    return 0


def _ask(sweep: KeptSweep, yes: bool) -> None:
    pictures, size = size_of(sweep.path)
    local, others = sweep.where()
    cells = len(sweep.record.cells)
    lines = [
        f"deletes {path_here(sweep.path)}/: {pluralize(cells, 'cell')}, "
        f"{pluralize(pictures, 'picture')}, {format_bytes(size)}"
    ]
    if local:
        lines += [
            "  and its runs in MLflow, which `mlflow gc` removes with their artifacts, and "
            "`mlflow runs restore` brings back"
        ]
    lines += [f"  left: its runs at {uri}" for uri in others]
    lines += [f"  left: stored results of stages ({for_outputs('cache', sweep.output_dir)})"]
    print(*lines, sep="\n", file=sys.stderr)
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError("sweep", sweep.named, "is deleted only if somebody agrees", "--yes")
    print("go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfigError("sweep", sweep.named, "was not deleted")


def parser() -> VerbParser:
    """The argument parser."""
    made = VerbParser(prog="kandinsky sweeps")
    changes = made.add_subparsers(dest="change", required=True)
    for name, what in (
        ("merge", "move the cells of a sweep into another one"),
        ("delete", "delete a sweep's folder, and its runs in a local MLflow"),
        ("rename", "give a sweep another name: in its record, its folder and MLflow"),
    ):
        one = changes.add_parser(name, help=what, description=what)
        one.add_argument("sweep", help=ALIKE)
        if name == "merge":
            one.add_argument("other", help=f"{ALIKE}; it is gone afterwards")
        elif name == "rename":
            one.add_argument("name", help="letters, digits, _ - .")
        else:
            one.add_argument("--yes", action="store_true", help="agree; otherwise it asks")
        one.add_argument(
            "--output-dir", default="outputs", type=Path, metavar="FOLDER",
            help="where sweeps are looked for (%(default)s)",
        )  # fmt: skip
    return made
