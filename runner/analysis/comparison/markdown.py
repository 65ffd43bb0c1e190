"""A comparison as GitHub-flavoured Markdown tables, a column for each axis."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.analysis.comparison.findings import Comparison
from runner.analysis.comparison.tables import heading, tables

SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~&$!])")


def markdown(comparison: Comparison) -> str:
    """The whole file."""
    parts = [f"# {escaped(heading(comparison))}"]
    for table in tables(comparison, every_axis=True):
        rows = [
            _row([escaped(column.heading) for column in table.columns]),
            _row(["---:" if column.numeric else "---" for column in table.columns]),
            *(_row([escaped(cell) for cell in line.cells]) for line in table.lines),
        ]
        parts += [f"## {escaped(table.title)}", "\n".join(rows)]
        if table.front:
            parts.append(escaped(table.front))
    parts += ["## Notes", *map(escaped, comparison.notes)]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """A text of one line with Markdown's special characters escaped."""
    return SPECIAL.sub(r"\\\1", text)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
