"""A comparison as LaTeX tables for the package booktabs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.analysis.comparison.findings import Comparison
from runner.analysis.comparison.tables import Column, Table, heading, tables

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "-": r"{-}",
    "–": r"--",
    "…": r"\ldots{}",
}
# Quotes and hyphens: LaTeX joins two of them into one other character.

POWER = re.compile(r"e([+-]\d+)")

ANY = re.compile("|".join(map(re.escape, SPECIAL)))


def latex(comparison: Comparison) -> str:
    """The whole file: `\\input` it, with `\\usepackage{booktabs, textcomp}`."""
    return latex_of(tables(comparison, every_axis=True), heading(comparison), comparison.notes)


def latex_of(tables: Sequence[Table], compared: str, notes: Sequence[str]) -> str:
    """The file of some tables; `compared` ends each caption, the notes are comments."""
    lines = [
        r"% \usepackage{booktabs, textcomp}; with pdfLaTeX also \usepackage[T1]{fontenc}",
        *(f"% {note}" for note in notes),
    ]
    for table in tables:
        lines += ["", *_table(table, compared)]
    return "\n".join(lines) + "\n"


def _table(table: Table, compared: str) -> list[str]:
    kinds = "".join("r" if column.numeric else "l" for column in table.columns)
    rows = [
        [_cell(text, column) for text, column in zip(line.cells, table.columns, strict=True)]
        for line in table.lines
    ]
    return [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(f'{table.title}: {compared}')}}}",
        rf"\begin{{tabular}}{{{kinds}}}",
        r"\toprule",
        " & ".join(escaped(column.heading) for column in table.columns) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def _cell(text: str, column: Column) -> str:
    if not column.numeric or not text:
        return escaped(text)
    # In math mode a hyphen is a minus sign.
    return f"${POWER.sub(_power, text)}$"


def _power(found: re.Match[str]) -> str:
    return rf" \cdot 10^{{{int(found.group(1))}}}"


def escaped(text: str) -> str:
    """A text with LaTeX's special characters escaped."""
    return ANY.sub(lambda found: SPECIAL[found.group()], text)
