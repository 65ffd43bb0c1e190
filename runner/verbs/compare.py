"""`kandinsky compare`: which setting of a sweep is better, by how much, and at what cost."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from runner.recording.sweep_record import SWEEP
from runner.system.files import LATEST, output_below
from runner.system.machine import COMPARING, check_installed
from runner.system.text import path_here
from runner.tracking.places import absolute_uri, remember_place


def main(arguments: list[str]) -> int:
    """Print the comparison, write its files into the folder, and print their paths."""
    options = parser().parse_args(arguments)
    _find_folder(options)
    if options.to:
        remember_place(absolute_uri(options.to))
    check_installed("compare", " ".join(map(str, options.folders)), COMPARING)
    # Imported here, as they import scipy.
    from runner.analysis.comparison import logged, terminal, writing
    from runner.analysis.comparison.comparing import compare
    from runner.analysis.lettering import warn_of_substitutes
    from runner.analysis.selecting import select
    from runner.analysis.together import combined, hidden_differences, labels_of, read_all
    from runner.analysis.within import writing as within_writing
    from runner.analysis.within.comparing import compare_within

    folder = options.folders[0].absolute()
    sweeps = read_all([each.absolute() for each in options.folders])
    results = sweeps[0] if len(sweeps) == 1 else combined(sweeps)
    if hidden := hidden_differences(sweeps, results.axes):
        print(f"warning: the sweeps differ besides in {', '.join(hidden)}", file=sys.stderr)
    where, within = options.where or [], options.within
    cells = select(results, where) if where else results
    said = {name: getattr(options, name) for name in ("by", "baseline", "confidence")}
    write: Callable[[Any, Path], list[Path]] = writing.write
    texts: Callable[[Any], Iterable[str]] = writing.texts_in_plots
    show: Callable[[Any], None] = terminal.show
    asked: Callable[..., Any] = partial(compare, cells, **said)
    if within is not None:
        write, texts = within_writing.write, within_writing.texts_in_plots
        show = within_writing.show
        asked = partial(compare_within, cells, within, where=where, **said)
    shown = asked(metrics=options.metrics)
    # What is kept has all metrics, whichever are looked at now.
    comparison = shown if options.metrics is None or options.out is not None else asked()
    for warning in comparison.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    # The sweep's own comparison is of all its cells; other questions have their own places.
    own = within is None and not where and len(sweeps) == 1
    others = labels_of([sweep.folder for sweep in sweeps])[1:]
    asked_of = (shown.by, within or (), where, others)
    name = writing.FOLDER if own else within_writing.folder_name(*asked_of)
    out = (options.out or output_below(folder, name)).absolute()
    files = write(comparison, out)
    for warning in warn_of_substitutes(texts(comparison)):
        print(f"warning: {warning}", file=sys.stderr)
    show(shown)
    print(f"{path_here(out)}/")
    for sweep in sweeps:
        logged.log(sweep, files, name)
    return 0


def _find_folder(options: argparse.Namespace) -> None:
    """`--by scheduler FOLDER`: what stands behind several values and is a sweep's folder."""
    behind: list[Path] = []
    for values in (options.by, options.baseline, options.metrics, options.within, options.where):
        while values and len(values) > 1 and _is_sweep(values[-1]):
            behind.insert(0, Path(values.pop()))
    options.folders = [*options.folders, *behind] or [Path("outputs", LATEST)]


def _is_sweep(text: str) -> bool:
    return (Path(text) / SWEEP).is_file()


def parser() -> argparse.ArgumentParser:
    """The argument parser."""
    made = argparse.ArgumentParser(
        prog="kandinsky compare",
        description="Settings of a sweep against a baseline, picture by picture: differences of "
        "each metric with their intervals, and quality against seconds. Prints tables, and writes "
        "them as Markdown, CSV, LaTeX and JSON beside pictures of the trade-off.",
    )
    made.add_argument(
        "folders", nargs="*", type=Path, metavar="folder",
        help="of a sweep (default: the newest); several are compared as one",
    )  # fmt: skip
    made.add_argument(
        "--by", metavar="AXIS", nargs="+", action="extend",
        help="axes that make a setting (default: those that the baseline names, else all of the "
        "sweep but prompt and seeds); pictures are paired where the others, prompt and seed are "
        "the same",
    )  # fmt: skip
    made.add_argument(
        "--baseline", metavar="KEY=VALUE", nargs="+", action="extend",
        help="the setting to compare with; a value alone is enough where one axis has it "
        "(default: the sweep's baseline)",
    )  # fmt: skip
    made.add_argument(
        "--within", metavar="AXIS", nargs="+", action="extend",
        help="axes that make a stratum: the difference in each, over all, whether it depends on "
        "the stratum, and by prompt; with forest plots",
    )  # fmt: skip
    made.add_argument(
        "--where", metavar="KEY=VALUE", nargs="+", action="extend",
        help="only cells with these values; several of one key mean any of them; prompt and seed "
        "take pictures, 'prompt=*circle*' by pattern",
    )  # fmt: skip
    made.add_argument(
        "--confidence", type=float, default=0.95, metavar="SHARE",
        help="of a mean's interval, and of all differences of a metric together (%(default)s)",
    )  # fmt: skip
    made.add_argument(
        "--metrics", metavar="NAME", nargs="+", action="extend",
        help="what is printed, and written with --out (default: all)",
    )  # fmt: skip
    made.add_argument(
        "--to", metavar="URI",
        help="a tracking URI of the record that you trust, where no command of yours named it yet",
    )  # fmt: skip
    made.add_argument("--out", type=Path, metavar="DIR", help="default: comparison in the folder")
    return made
