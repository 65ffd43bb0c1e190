"""Reads prompts from a file: lines of text, or a column of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.config.table_files import TABLES, Row, Table, UnreadableError, lines_of, text_of
from runner.errors import ConfigError

LINES = ".txt"
PROMPT_COLUMN = "prompt"
PROMPT_COLUMNS = (PROMPT_COLUMN, "prompts")
"""Compared without case: PartiPrompts has a column "Prompt", DrawBench one "Prompts"."""
SETTINGS = (
    "seed", "seeds", "negative_prompt", "image", "init_image", "mask", "hint", "height", "width",
    "steps", "num_inference_steps", "guidance", "guidance_scale", "cfg", "cfg_scale", "strength",
    "model", "scheduler", "sampler",
)  # fmt: skip
"""Columns that a user could take for settings of each prompt; compared without case."""


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
        if (suffix := path.suffix.lower()) not in (LINES, *TABLES):
            raise UnreadableError("not a kind of prompt file", (LINES, *TABLES))
        text = text_of(path)
        found = PromptFile(tuple(lines_of(text))) if suffix == LINES else _of(TABLES[suffix](text))
        if not found.prompts:
            raise UnreadableError("holds no prompt")
    except UnreadableError as error:
        raise ConfigError("prompt_file", path, error.problem, error.allowed) from error
    return found


def _of(table: Table) -> PromptFile:
    if table.names is not None:
        column = _prompt_column(table.names)
        return PromptFile(tuple((line, row[column]) for line, row in table.rows), table.names)
    prompts = tuple((line, _prompt_of(line, row)) for line, row in table.rows)
    return PromptFile(prompts, tuple(dict.fromkeys(name for _, row in table.rows for name in row)))


def _prompt_of(line: int, row: Row) -> object:
    try:
        return row[_prompt_column(tuple(row))]
    except UnreadableError as error:
        raise UnreadableError(f"line {line} {error.problem}", error.allowed) from error


def _prompt_column(names: Sequence[str]) -> str:
    """The column of prompts: `prompt` itself, before names that are like it."""
    alike = [name for name in names if name.strip().lower() in PROMPT_COLUMNS]
    exact = [name for name in alike if name.strip() == PROMPT_COLUMN]
    if not alike:
        found = ", ".join(names) or "none"
        problem = f"has no column named {PROMPT_COLUMN!r}; its columns: {found}"
        raise UnreadableError(problem)
    if len(exact or alike) > 1:
        raise UnreadableError(
            f"has {' and '.join(map(repr, exact or alike))}", f"one column {PROMPT_COLUMN!r}"
        )
    return (exact or alike)[0]
