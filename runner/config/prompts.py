"""Reads prompts from the config or from a prompt file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from runner.config.texts import text_problem
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
DELIMITERS = {".csv": ",", ".tsv": "\t"}
FILE_TYPES = (".txt", ".csv", ".tsv", ".jsonl")


def prompts_of(prompt: object, prompt_file: str | None) -> tuple[str, ...]:
    """The prompts of a cell. A prompt file, if given, replaces `prompt`.

    Raises:
        ConfigError: a prompt that is empty or not a text, or a file that cannot be read.
    """
    if prompt_file is not None:
        return read_prompt_file(Path(prompt_file))
    if prompt is None:
        raise ConfigError("prompt", None, "nothing to draw", "a text, a list, or prompt_file=...")
    prompts = prompt if isinstance(prompt, Sequence) and not isinstance(prompt, str) else [prompt]
    if not prompts:
        raise ConfigError("prompt", "[]", "nothing to draw", "at least one text")
    return tuple(check_text(text, "prompt") for text in prompts)


def read_prompt_file(path: Path) -> tuple[str, ...]:
    """Prompts of a .txt (one a line, empty lines skipped), .csv, .tsv or .jsonl (a column `prompt`,
    or `Prompts`).
    """
    suffix = path.suffix.lower()
    if suffix not in FILE_TYPES:
        raise ConfigError("prompt_file", path, "not a kind of prompt file", FILE_TYPES)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("prompt_file", path, f"is not UTF-8 text ({error.reason})") from error
    except OSError as error:
        problem = error.strerror or str(error)
        raise ConfigError("prompt_file", path, f"cannot be read: {problem}") from error
    read: dict[str, Callable[[Path, str], list[str]]] = {
        ".txt": _lines,
        **{kind: partial(_table_column, mark) for kind, mark in DELIMITERS.items()},
        ".jsonl": _jsonl_column,
    }
    prompts = read[suffix](path, text)
    if not prompts:
        raise ConfigError("prompt_file", path, "holds no prompt")
    return tuple(prompts)


def unread_columns(path: Path) -> tuple[str, ...]:
    """Columns of a prompt file that read like settings of each prompt, and are not read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ()  # it was read before: what has become of it decides nothing now
    suffix, names = path.suffix.lower(), list[str]()
    if suffix in DELIMITERS:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[suffix])
        names = next(rows, [])
    elif suffix == ".jsonl":
        rows_read = (json.loads(line) for line in text.split("\n") if line.strip())
        names = list(dict.fromkeys(name for row in rows_read for name in row))
    return tuple(name for name in names if name.strip().lower() in SETTINGS)


def _lines(path: Path, text: str) -> list[str]:
    # Not splitlines(): that also splits at U+2028 and the like, which may stand in a prompt.
    return [line.strip() for line in text.split("\n") if line.strip()]


def _table_column(delimiter: str, path: Path, text: str) -> list[str]:
    # strict: a file cut off within a quoted prompt is an error, not a short prompt
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    named = [name for name in reader.fieldnames or [] if name.lower() in PROMPT_COLUMNS]
    if not named:
        found = ", ".join(reader.fieldnames or []) or "none"
        raise ConfigError(
            "prompt_file", path, f"has no column named {PROMPT_COLUMN!r}; its columns: {found}"
        )
    column = PROMPT_COLUMN if PROMPT_COLUMN in named else named[0]
    try:
        rows = [(reader.line_num, row[column]) for row in reader]
    except csv.Error as error:
        raise ConfigError("prompt_file", path, f"after line {reader.line_num}: {error}") from error
    return [check_text(value, f"prompt_file={path}, line {line}") for line, value in rows]


def _jsonl_column(path: Path, text: str) -> list[str]:
    prompts = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ConfigError(
                "prompt_file", path, f"line {number} is not JSON: {error.msg}"
            ) from error
        if not isinstance(row, dict) or PROMPT_COLUMN not in row:
            raise ConfigError("prompt_file", path, f"line {number} has no {PROMPT_COLUMN!r}")
        prompts.append(check_text(row[PROMPT_COLUMN], f"prompt_file={path}, line {number}"))
    return prompts


def check_text(text: object, key: str, allowed: str = "a text with a word in it") -> str:
    """Check that a prompt is a text with a word in it, and one that can be written.

    Raises:
        ConfigError: it is not a text, is empty, or holds NUL or bytes that are not UTF-8.
    """
    if not isinstance(text, str):
        raise ConfigError(
            key, text, f"is {type(text).__name__}, not text", f"quotes: prompt='\"{text}\"'"
        )
    if not text.strip():
        raise ConfigError(key, text, "is empty", allowed)
    if (problem := text_problem(text)) is not None:
        raise ConfigError(key, text, problem)
    return text
