"""Prints a comparison: tables that fit 80 columns, in a pipe or on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table as Drawn
from rich.text import Text

from runner.analysis.comparison.findings import Comparison, Verdict
from runner.analysis.comparison.labels import shorten
from runner.analysis.comparison.notes import Method
from runner.analysis.comparison.tables import Table, heading, tables
from runner.system.terminal import clean, for_rich

LONGEST = 60
"""Most characters of a setting; the files have it in full."""
COLOURS = {Verdict.better: "green", Verdict.worse: "red", Verdict.baseline: "bold"}


def show(comparison: Comparison, *, methods: bool = False) -> None:
    """Print it; see `show_tables`."""
    drawn = tables(comparison, every_axis=False)
    show_tables(drawn, heading(comparison), comparison.notes, methods=methods)


def show_tables(
    tables: Sequence[Table], heading: str, notes: Sequence[str], *, methods: bool = False
) -> None:
    """Print tables below a heading, then notes. Users' texts are never read as markup.

    Args:
        methods: print those, too, that say how numbers are computed.
    """
    console = Console(
        file=for_rich(sys.stdout), force_jupyter=False, highlight=False, emoji=False, markup=False
    )
    console.print(Text(clean(heading), style="bold"))
    for table in tables:
        console.print()
        console.print(Text(clean(table.title), style="bold"))
        console.print(_drawn(table))
        if table.front:
            console.print(Text(clean(table.front)))
    console.print()
    for note in notes:
        if methods or not isinstance(note, Method):
            console.print(Text(clean(note), style="dim"))


def _drawn(table: Table) -> Drawn:
    drawn = Drawn(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for place, column in enumerate(table.columns):
        drawn.add_column(
            Text(clean(column.heading)),
            justify="right" if column.numeric else "left",
            overflow="fold",
            no_wrap=False,
            min_width=None
            if place == 0
            else max((len(line.cells[place]) for line in table.lines), default=0),
        )
    for line in table.lines:
        style = COLOURS.get(line.verdict, "")
        texts = [Text(clean(shorten(cell, LONGEST))) for cell in line.cells]
        drawn.add_row(*texts, style=style)
    return drawn
