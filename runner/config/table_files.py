"""Reads files of rows: CSV, TSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Row: TypeAlias = "Mapping[str, Any]"


class UnreadableError(Exception):
    """Why a file cannot be read, and what is allowed."""

    def __init__(self, problem: str, allowed: Sequence[str] | str | None = None) -> None:
        self.problem, self.allowed = problem, allowed


@dataclass(frozen=True)
class Table:
    """The rows of a file, each with the number of its first line.

    Attributes:
        names: of the header; None: each row has its own names.
    """

    rows: Sequence[tuple[int, Row]]
    names: tuple[str, ...] | None = None


def text_of(path: Path) -> str:
    """The file as text; line ends become "\\n". Raises UnreadableError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"is not UTF-8 text ({error.reason})") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise UnreadableError(
            f"cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from error
    if "\0" in text:  # also UTF-16 without its mark
        line = text[: text.index("\0")].count("\n") + 1
        raise UnreadableError(f"is not UTF-8 text (line {line} holds a zero byte)")
    return text


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not empty, by number.

    Not splitlines(): that also splits at U+2028 and the like, which may stand in a prompt.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.strip()


def _of_csv(text: str) -> Table:
    # strict: a file cut off within quotes is an error, not a short text
    return _of_cells(csv.reader(io.StringIO(text, newline=""), strict=True), "in quotes")


def _of_tsv(text: str) -> Table:
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
    return _of_cells(reader, "not possible in .tsv")


def _of_cells(reader: Any, with_delimiter: str) -> Table:
    """`with_delimiter`: how a cell that holds the delimiter is written."""
    names: tuple[str, ...] = ()
    rows, begun = [], 1
    try:
        for row in reader:
            first, begun = begun, reader.line_num + 1
            has_text = any(map(str.strip, row))
            # Before the header, and with more cells than it: what spreadsheets write of empty rows.
            if not row or not (has_text or names):
                continue
            if not names:
                names = tuple(name.strip() for name in row)
                named = [name for name in names if name]  # a spreadsheet's empty columns have none
                if repeated := [name for name in named if named.count(name) > 1]:
                    raise UnreadableError(f"has two columns named {repeated[0]!r}")
                continue
            if has_text and len(row) > len(names):
                raise UnreadableError(
                    f"line {first} has {len(row)} cells, and the header {len(names)}",
                    f"as many as the header; a cell that holds the delimiter: {with_delimiter}",
                )
            # Trailing cells may be missing: editors strip what is empty at the end of a line.
            rows.append((first, dict.fromkeys(names, "") | dict(zip(names, row, strict=False))))
    except csv.Error as error:
        raise UnreadableError(f"from line {begun}: {error}") from error
    return Table(rows, names)


def _of_json_lines(text: str) -> Table:
    return Table([(number, _of_json(number, line)) for number, line in lines_of(text)])


def _of_json(number: int, line: str) -> Row:
    try:
        row = json.loads(line, object_pairs_hook=_of_pairs)
        if not isinstance(row, dict):
            raise UnreadableError("is no object with names and values")
    except UnreadableError as error:
        raise UnreadableError(f"line {number} {error.problem}", error.allowed) from error
    except json.JSONDecodeError as error:
        raise UnreadableError(f"line {number} is not JSON: {error.msg}") from error
    except RecursionError as error:
        raise UnreadableError(f"line {number} is nested too deeply") from error
    except ValueError as error:  # a number of thousands of digits
        raise UnreadableError(f"line {number} cannot be read: {error}") from error
    return row


def _of_pairs(pairs: list[tuple[str, object]]) -> Row:
    """An object of JSON; a name that is there twice is an error."""
    row: dict[str, object] = {}
    for name, value in pairs:
        if name in row:
            raise UnreadableError(f"has two values named {name!r}")
        row[name] = value
    return row


TABLES: Mapping[str, Callable[[str], Table]] = {
    ".csv": _of_csv,
    ".tsv": _of_tsv,
    ".jsonl": _of_json_lines,
}
"""Readers of a file's text by the end of its name. They raise UnreadableError."""
