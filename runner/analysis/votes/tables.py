"""What votes say as tables of short texts, and their files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.analysis.comparison import latex, markdown
from runner.analysis.comparison.findings import Verdict
from runner.analysis.comparison.labels import (
    axis_names,
    format_choice,
    one_line,
    percent,
    values_of,
)
from runner.analysis.comparison.tables import Column, Line, Table, format_number
from runner.analysis.comparison.writing import encoded, write_files
from runner.analysis.spreadsheet import csv_text
from runner.analysis.votes.findings import Judged, Question, VoteRow

JSON = "votes.json"
DECIMALS = 2


def heading(judged: Judged) -> str:
    """One line: what was voted on, against which baseline."""
    keys = ", ".join(map(one_line, judged.by))
    return f"Votes on {one_line(judged.name)} by {keys}; baseline {format_choice(judged.baseline)}"


def tables(judged: Judged, *, every_axis: bool) -> list[Table]:
    """A table for each question.

    Args:
        every_axis: a column for each axis; else a narrow table.
    """
    return [_table(judged, question, every_axis) for question in judged.questions]


def all_notes(judged: Judged) -> list[str]:
    """The notes of all questions, then what does not count."""
    several = len(judged.questions) > 1
    said = [
        f"{one_line(question.question)} {note}" if several and place == 0 else note
        for question in judged.questions
        for place, note in enumerate(question.notes)
    ]
    return [*dict.fromkeys(said), *(f"{w[0].upper()}{w[1:]}." for w in judged.warnings)]


def write(judged: Judged | None, out: Path) -> list[Path]:
    """Write Markdown, CSV, LaTeX and JSON into a folder; None: there are no votes, and what was
    written of earlier ones is removed. Raises StorageError.
    """
    return write_files(out, TEXTS, () if judged is None else _files(judged))


def _files(judged: Judged) -> Iterator[tuple[str, bytes]]:
    for name, text in TEXTS.items():
        yield name, encoded(text(judged))


def _table(judged: Judged, question: Question, every_axis: bool) -> Table:
    names = axis_names(judged.by)
    joint = "joint " if question.compared > 1 else ""
    columns = [Column(name, False) for name in (names if every_axis else [", ".join(names)])]
    columns += [Column("won"), Column("tied"), Column("lost"), Column("strength")]
    columns += [Column(f"{joint}{percent(judged.confidence)}"), Column("preferred")]
    columns += [Column("verdict", False)]
    lines = []
    for row in question.rows:
        values = values_of(row.choice, judged.by)
        strength = "" if row.strength is None else format_number(row.strength, DECIMALS, "+")
        preferred = "" if row.preferred is None else format_number(row.preferred, DECIMALS)
        verdict = "" if row.verdict is Verdict.none else row.verdict.value
        cells = [
            *(values if every_axis else [", ".join(values)]), str(row.won), str(row.tied),
            str(row.lost), strength, interval(row), preferred, verdict,
        ]  # fmt: skip
        lines.append(Line(tuple(cells), row.verdict))
    return Table(one_line(question.question), tuple(columns), tuple(lines), None)


def interval(row: VoteRow) -> str:
    """A row's interval; a decided strength is never rounded to zero."""
    ends = [end for end in (row.low, row.high) if end is not None]
    if not ends:
        return ""
    decimals = DECIMALS
    if row.verdict in (Verdict.better, Verdict.worse):
        decimals = max(decimals, -math.floor(math.log10(min(map(abs, ends)))))
    low, high = (
        "" if end is None else format_number(end, decimals, "+") for end in (row.low, row.high)
    )
    if low and high:
        return f"[{low}, {high}]"
    return f"> {low}" if low else f"< {high}"


def _markdown(judged: Judged) -> str:
    parts = [f"# {markdown.escaped(heading(judged))}"]
    for table in tables(judged, every_axis=True):
        parts += markdown.parts_of(table)
    parts += ["## Notes", *map(markdown.escaped, all_notes(judged))]
    return "\n\n".join(parts) + "\n"


def _latex(judged: Judged) -> str:
    return latex.latex_of(tables(judged, every_axis=True), heading(judged), all_notes(judged))


def as_csv(judged: Judged) -> str:
    """A row for each question and setting, with all digits; each has the question's agreement."""
    head = ["question", *judged.by, "won", "tied", "lost", "strength", "low", "high", "preferred",
            "verdict", "votes", "voters", "pairs", "pairs_of_several", "raw_agreement", "alpha",
            "left_share"]  # fmt: skip
    rows: list[Sequence[Any]] = [head]
    for question in judged.questions:
        found = question.agreement
        for row in question.rows:
            rows.append(
                [question.question, *(row.choice.get(axis, "") for axis in judged.by), row.won,
                 row.tied, row.lost, row.strength, row.low, row.high, row.preferred,
                 str(row.verdict), question.votes, question.voters, question.pairs, found.pairs,
                 found.raw, found.alpha, found.left]
            )  # fmt: skip
    return csv_text(rows)


TEXTS: Mapping[str, Callable[[Judged], str]] = {
    "votes.md": _markdown,
    "votes.csv": as_csv,
    "votes.tex": _latex,
    JSON: Judged.as_json,
}
