"""Reads prompts from a file: text, tables and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import ConfigError

PROMPT_COLUMN = "prompt"
PROMPT_COLUMNS = (PROMPT_COLUMN, "prompts")
"""Compared without case: PartiPrompts has a column "Prompt", DrawBench one "Prompts"."""
SETTINGS = (
    "seed", "seeds", "negative_prompt", "image", "init_image", "mask", "hint", "height", "width",
    "steps", "num_inference_steps", "guidance", "guidance_scale", "cfg", "cfg_scale", "strength",
    "model", "scheduler", "sampler",
)  # fmt: skip
"""Columns that a user could take for settings of each prompt; compared without case."""


class UnreadableError(Exception):
    """Why a file cannot be read, and what is allowed."""

    def __init__(self, problem: str, allowed: Sequence[str] | str | None = None) -> None:
        self.problem, self.allowed = problem, allowed


@dataclass(frozen=True)
class PromptFile:
    """What a prompt file holds.

    Attributes:
        prompts: each with the number of its line; not checked to be texts.
        columns: the names of all columns, as written.
    """

    prompts: tuple[tuple[int, object], ...]
    columns: tuple[str, ...] = ()

    @property
    def settings(self) -> tuple[str, ...]:
        """Columns that read like settings of each prompt, and are not read."""
        return tuple(name for name in self.columns if name.lower() in SETTINGS)


def read_prompt_file(path: Path) -> PromptFile:
    """Read a .txt (one prompt a line, empty lines skipped), .csv (RFC 4180), .tsv (no quoting:
    https://www.iana.org/assignments/media-types/text/tab-separated-values) or .jsonl.

    The last three have a column `prompt` or `prompts`, in any case.

    Raises:
        ConfigError: the file cannot be read, or is not what its name says.
    """
    try:
        read = READERS.get(path.suffix.lower())
        if read is None:
            raise UnreadableError("not a kind of prompt file", tuple(READERS))
        found = read(text_of(path))
        if not found.prompts:
            raise UnreadableError("holds no prompt")
    except UnreadableError as error:
        raise ConfigError("prompt_file", path, error.problem, error.allowed) from error
    return found


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


def _read_lines(text: str) -> PromptFile:
    return PromptFile(tuple(lines_of(text)))


def _read_csv(text: str) -> PromptFile:
    # strict: a file cut off within a quoted prompt is an error, not a short prompt
    return _read_table(csv.reader(io.StringIO(text, newline=""), strict=True), "in quotes")


def _read_tsv(text: str) -> PromptFile:
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
    return _read_table(reader, "not possible in .tsv")


def _read_table(reader: Any, with_delimiter: str) -> PromptFile:
    """`with_delimiter`: how a cell that holds the delimiter is written."""
    names: tuple[str, ...] = ()
    column, prompts, begun = -1, [], 1
    try:
        for row in reader:
            first, begun = begun, reader.line_num + 1
            if not row:
                continue
            if not names:
                names = tuple(name.strip() for name in row)
                column = _prompt_column(names)
                continue
            if len(row) > len(names):
                raise UnreadableError(
                    f"line {first} has {len(row)} cells, and the header {len(names)}",
                    f"as many as the header; a cell that holds the delimiter: {with_delimiter}",
                )
            # Trailing cells may be missing: editors strip what is empty at the end of a line.
            prompts.append((first, row[column] if column < len(row) else ""))
    except csv.Error as error:
        raise UnreadableError(f"from line {begun}: {error}") from error
    if column < 0:
        raise _no_column(names)
    return PromptFile(tuple(prompts), names)


def _prompt_column(names: Sequence[str]) -> int:
    """The place of the column of prompts: `prompt` itself, before names that are like it."""
    named = [name for name in names if name]  # a spreadsheet's empty columns have no names
    if len(set(named)) < len(named):
        repeated = next(name for name in named if named.count(name) > 1)
        raise UnreadableError(f"has two columns named {repeated!r}")
    alike = [name for name in names if name.lower() in PROMPT_COLUMNS]
    if not alike:
        raise _no_column(names)
    if PROMPT_COLUMN in alike:
        return names.index(PROMPT_COLUMN)
    if len(alike) > 1:
        raise UnreadableError(
            f"has {' and '.join(map(repr, alike))}", f"one column {PROMPT_COLUMN!r}"
        )
    return names.index(alike[0])


def _no_column(names: Sequence[str]) -> UnreadableError:
    found = ", ".join(names) or "none"
    return UnreadableError(f"has no column named {PROMPT_COLUMN!r}; its columns: {found}")


def _read_json_lines(text: str) -> PromptFile:
    names: dict[str, None] = {}
    prompts: list[tuple[int, object]] = []
    for number, line in lines_of(text):
        try:
            row = json.loads(line, object_pairs_hook=row_of)
            if not isinstance(row, dict):
                raise UnreadableError("is no object with names and values")
            keys = tuple(row)
            prompts.append((number, row[keys[_prompt_column([key.strip() for key in keys])]]))
        except UnreadableError as error:
            raise UnreadableError(f"line {number} {error.problem}", error.allowed) from error
        except json.JSONDecodeError as error:
            raise UnreadableError(f"line {number} is not JSON: {error.msg}") from error
        except RecursionError as error:
            raise UnreadableError(f"line {number} is nested too deeply") from error
        except ValueError as error:  # a number of thousands of digits
            raise UnreadableError(f"line {number} cannot be read: {error}") from error
        names |= dict.fromkeys(keys)
    return PromptFile(tuple(prompts), tuple(names))


def row_of(pairs: list[tuple[str, object]]) -> Mapping[str, object]:
    """An object of JSON; a name that is there twice is an error."""
    row: dict[str, object] = {}
    for name, value in pairs:
        if name in row:
            raise UnreadableError(f"has two values named {name!r}")
        row[name] = value
    return row


READERS: Mapping[str, Callable[[str], PromptFile]] = {
    ".txt": _read_lines,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_json_lines,
}
"""By the end of the file's name."""
