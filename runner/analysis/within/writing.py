"""Writes a comparison within strata to files, and prints it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.analysis.comparison import latex, markdown, terminal
from runner.analysis.comparison.labels import axis_names
from runner.analysis.comparison.writing import FOLDER, encoded, plot_stems, write_files
from runner.analysis.costs import COSTS
from runner.analysis.figure_config import FigureConfig
from runner.analysis.spreadsheet import csv_text
from runner.analysis.timing import NOT_MEASURED
from runner.analysis.together import folder_named
from runner.analysis.within.findings import Within
from runner.analysis.within.tables import compared_rows, heading, tables

PLOT = "forest_"
LONGEST_TITLE = "by prompt"
MOST_LINES = 24
"""Of a table by prompt on the terminal; the files have all."""


def folder_name(
    by: Sequence[str],
    within: Sequence[str],
    where: Sequence[str],
    others: Sequence[str],
    baseline: Sequence[str] = (),
) -> str:
    """The folder of such a comparison: that of another question has another name.

    Args:
        others: names of further sweeps that are compared with the first.
        baseline: and what else is asked otherwise than the sweep's own config does.
    """
    parts = [*axis_names(by), *(["within", *axis_names(within)] if within else [])]
    parts += ["where", *where] if where else []
    parts += baseline
    parts += ["with", *others] if others else []
    return folder_named(FOLDER, *parts)


def write(found: Within, out: Path, asked: FigureConfig | None = None) -> list[Path]:
    """Write all files into a folder, which is created; earlier forest plots there are removed.

    Args:
        asked: what the config of a plot says besides: the command, the sweeps.

    Raises:
        StorageError: a file cannot be written.
    """
    return write_files(out, (old.name for old in out.glob(f"{PLOT}*")), _files(found, asked or {}))


def _files(found: Within, asked: FigureConfig) -> Iterator[tuple[str, bytes]]:
    texts: Mapping[str, Callable[[Within], str]] = {
        "within.md": _markdown,
        "within.csv": as_csv,
        "within_interactions.csv": interactions_csv,
        "within_prompts.csv": prompts_csv,
        "within.tex": _latex,
        "within.json": Within.as_json,
    }
    for name, text in texts.items():
        yield name, encoded(text(found))
    yield from _plots(found, asked)


def show(found: Within, *, methods: bool = False) -> None:
    """Print it; see `terminal.show_tables`."""
    shown = [
        table
        for table in tables(found, every_axis=False)
        if not table.title.endswith(LONGEST_TITLE) or len(table.lines) <= MOST_LINES
    ]
    terminal.show_tables(shown, heading(found), found.notes, methods=methods)


def texts_in_plots(found: Within) -> Iterator[str]:
    """What may be written in the plots."""
    # Only now: it imports matplotlib.
    from runner.analysis.within.forest_plot import texts_in_forest

    return texts_in_forest(found)


def _markdown(found: Within) -> str:
    parts = [f"# {markdown.escaped(heading(found))}"]
    for table in tables(found, every_axis=True):
        parts += markdown.parts_of(table)
    return "\n\n".join([*parts, "## Notes", *map(markdown.escaped, found.notes)]) + "\n"


def _latex(found: Within) -> str:
    return latex.latex_of(tables(found, every_axis=True), heading(found), found.notes)


def as_csv(found: Within) -> str:
    """A row for each stratum and setting, and for each setting over all; with all digits."""
    by, within = found.overall.by, found.within
    head = ["metric", "better", "part", *within, *by, "n", "mean", "pairs", "difference", "low",
            "high", "verdict"]  # fmt: skip
    rows: list[Sequence[Any]] = []
    for name, metric in found.metrics.items():
        for values, row in compared_rows(metric):
            stratum = {} if values is None else values
            rows.append(
                [name, metric.better or "", "overall" if values is None else "stratum",
                 *(stratum.get(axis, "") for axis in within),
                 *(row.choice.get(axis, "") for axis in by),
                 row.n, row.mean, row.pairs, row.difference, row.low, row.high, str(row.verdict)]
            )  # fmt: skip
    for name in found.overall.unmeasured:
        rows.append([name, COSTS[name], *[""] * (len(head) - 3), NOT_MEASURED])
    return csv_text([head, *rows])


def interactions_csv(found: Within) -> str:
    """A row for each test of interaction."""
    by = found.overall.by
    head = ["metric", *by, "strata", "blocks", "F", "df_between", "df_within", "p", "p_adjusted",
            "differs"]  # fmt: skip
    return csv_text(
        [head, *(
            [name, *(one.choice.get(axis, "") for axis in by), one.strata, one.blocks,
             one.statistic, one.between, one.within, one.p, one.p_adjusted, one.differs]
            for name, metric in found.metrics.items()
            for one in metric.interactions
        )]
    )  # fmt: skip


def prompts_csv(found: Within) -> str:
    """A row for each prompt and setting."""
    by = found.overall.by
    head = ["metric", "prompt", *by, "pairs", "baseline_mean", "mean", "difference"]
    return csv_text(
        [head, *(
            [name, row.prompt, *(row.choice.get(axis, "") for axis in by), row.pairs,
             row.baseline_mean, row.mean, row.difference]
            for name, metric in found.metrics.items()
            for row in metric.prompts
        )]
    )  # fmt: skip


def _plots(found: Within, asked: FigureConfig) -> Iterator[tuple[str, bytes]]:
    # Only now: it imports matplotlib.
    from runner.analysis.within.forest_plot import draw_forest

    for metric, stem in plot_stems(PLOT, found.metrics).items():
        for kind, drawn in draw_forest(found, metric, asked).items():
            yield f"{stem}.{kind}", drawn
