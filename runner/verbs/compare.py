"""`kandinsky compare`: which setting of a sweep is better, by how much, and at what cost."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from runner.system.files import output_below
from runner.system.machine import COMPARING, check_installed
from runner.system.text import path_here
from runner.tracking.places import absolute_uri, remember_place
from runner.verbs.folders import NEWEST, add_folders, folders_behind
from runner.verbs.parser import VerbParser

CONFIDENCE = 0.95


def main(arguments: list[str]) -> int:
    """Print the comparison, write its files into the folder, and print their paths."""
    options = parser().parse_args(arguments)
    several = (options.by, options.baseline, options.metrics, options.within, options.where)
    options.folders = [*options.folders, *folders_behind(several)] or [NEWEST]
    if options.to:
        remember_place(absolute_uri(options.to))
    check_installed("compare", " ".join(map(str, options.folders)), COMPARING)
    # Imported here, as they import scipy.
    from runner.analysis.asking import VIEWS, ask, is_another
    from runner.analysis.comparison import logged, terminal, writing
    from runner.analysis.figure_config import asked_by
    from runner.analysis.lettering import warn_of_substitutes
    from runner.analysis.selecting import select
    from runner.analysis.together import combined, hidden_differences, labels_of, read_all
    from runner.analysis.votes import tables as voted
    from runner.analysis.votes.judging import judge
    from runner.analysis.votes.record import votes_on
    from runner.analysis.within.writing import folder_name

    folder = options.folders[0].absolute()
    sweeps = read_all([each.absolute() for each in options.folders])
    results = sweeps[0] if len(sweeps) == 1 else combined(sweeps)
    if hidden := hidden_differences(sweeps, results.axes):
        print(f"warning: the sweeps differ besides in {', '.join(hidden)}", file=sys.stderr)
    where = options.where or []
    said = {name: getattr(options, name) for name in ("by", "baseline", "confidence", "within")}
    asked = partial(ask, results, where=where, **said)
    shown = asked(metrics=options.metrics)
    views = VIEWS[type(shown)]
    # What is kept has all metrics, whichever are looked at now.
    comparison = shown if options.metrics is None or options.out is not None else asked()
    votes = {sweep.folder: votes_on(sweep) for sweep in sweeps}
    cells = select(results, where) if where else results
    judged = judge(cells, comparison.by, comparison.baseline, votes, options.confidence)
    for warning in (*comparison.warnings, *(judged.warnings if judged else ())):
        print(f"warning: {warning}", file=sys.stderr)
    # The sweep's own comparison is of all its cells, with the baseline that its config names;
    # other questions have their own places.
    own = options.within is None and not where and len(sweeps) == 1
    others = labels_of([sweep.folder for sweep in sweeps])[1:]
    if own and not is_another(comparison, results):
        name = writing.FOLDER
    else:
        name = folder_name(shown.by, options.within or (), where, others, _apart(options, own))
    out = (options.out or output_below(folder, name)).absolute()
    config = {"where": where, **asked_by("compare", arguments, sweeps)}
    files = [*views.write(comparison, out, config), *voted.write(judged, out)]
    for warning in warn_of_substitutes(views.texts_in_plots(comparison)):
        print(f"warning: {warning}", file=sys.stderr)
    views.show(shown, methods=options.notes)
    if judged is not None and options.metrics is None:
        print()
        terminal.show_tables(
            voted.tables(judged, every_axis=False), voted.heading(judged),
            voted.all_notes(judged), methods=options.notes,
        )  # fmt: skip
    print(f"{path_here(out)}/")
    for sweep in sweeps:
        logged.log(sweep, files, name)
    return 0


def _apart(options: argparse.Namespace, own: bool) -> list[str]:
    """What else a question of all cells says, for its folder's name."""
    level = [f"confidence={options.confidence:g}"] if options.confidence != CONFIDENCE else []
    return [*(options.baseline or ()), *level] if own else []


def parser() -> VerbParser:
    """The argument parser."""
    made = VerbParser(
        prog="kandinsky compare",
        description="Settings of a sweep against a baseline, picture by picture: differences of "
        "each metric with their intervals, and quality against seconds; and what people voted "
        "(`kandinsky vote`). Prints tables, and writes them as Markdown, CSV, LaTeX and JSON "
        "beside pictures of the trade-off.",
    )
    add_folders(made, "a sweep", "compared")
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
        "--confidence", type=float, default=CONFIDENCE, metavar="SHARE",
        help="of a mean's interval, and of all differences of a metric together (%(default)s)",
    )  # fmt: skip
    made.add_argument(
        "--metrics", metavar="NAME", nargs="+", action="extend",
        help="what is printed, and written with --out (default: all)",
    )  # fmt: skip
    made.add_argument(
        "--notes", action="store_true",
        help="print how the numbers are computed, too; the files and the page always say it",
    )  # fmt: skip
    made.add_argument(
        "--to", metavar="URI",
        help="a tracking URI of the record that you trust, where no command of yours named it yet",
    )  # fmt: skip
    made.add_argument("--out", type=Path, metavar="DIR", help="default: comparison in the folder")
    return made
