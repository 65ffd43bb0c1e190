"""A comparison as GitHub-flavoured Markdown tables, a column for each axis."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.analysis.comparison.findings import Comparison
from runner.analysis.comparison.tables import Table, heading, tables

SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~&$!])")


def markdown(comparison: Comparison) -> str:
    """The whole file."""
    parts = [f"# {escaped(heading(comparison))}"]
    for table in tables(comparison, every_axis=True):
        parts += parts_of(table)
    parts += ["## Notes", *map(escaped, comparison.notes)]
    return "\n\n".join(parts) + "\n"


def parts_of(table: Table) -> list[str]:
    """A table's heading, the table, and the line on its front; an empty line goes between them."""
    rows = [
        _row([escaped(column.heading) for column in table.columns]),
        _row(["---:" if column.numeric else "---" for column in table.columns]),
        *(_row([escaped(cell) for cell in line.cells]) for line in table.lines),
    ]
    front = [escaped(table.front)] if table.front else []
    return [f"## {escaped(table.title)}", "\n".join(rows), *front]


def escaped(text: str) -> str:
    """A text of one line with Markdown's special characters escaped."""
    return SPECIAL.sub(r"\\\1", text)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
