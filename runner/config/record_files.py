"""Reads files of records: each row names keys with the values of one cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from omegaconf._utils import get_yaml_loader

from runner.config.keys import PATH, walk_keys
from runner.config.schema import Config
from runner.config.table_files import TABLES, Row, Table, UnreadableError, text_of
from runner.config.values import typed
from runner.config.words import no_such_key
from runner.errors import ConfigError

Rows: TypeAlias = "Iterator[tuple[str, Row]]"
"""Each with its place in the file, for messages."""

YAML = (".yaml", ".yml")
SHORT = {"seed": "seeds", "image": "inputs.image", "mask": "inputs.mask", "hint": "inputs.hint"}
"""Short names of columns."""
NOT_OF_A_CELL = ("axes", "skip_invalid", "hydra")


def read_records(path: Path) -> list[Row]:
    """The rows of a .csv, .tsv, .jsonl, .yaml or .yml file as keys with values.

    A column is a key; or `seed`, `image`, `mask`, `hint`. An empty cell of a table says nothing of
    its key. Relative paths are relative to the file.

    Raises:
        ConfigError: the file cannot be read, holds no row, or a column that is no key.
    """
    try:
        if (suffix := path.suffix.lower()) not in (*TABLES, *YAML):
            raise UnreadableError("not a kind of file with records", (*TABLES, *YAML))
        text = text_of(path)
        found = _of_yaml(text) if suffix in YAML else _of_table(TABLES[suffix](text))
        rows: list[Row] = [_settings(place, row, path) for place, row in found]
        if not rows:
            raise UnreadableError("holds no row")
    except UnreadableError as error:
        raise ConfigError("axes", path, error.problem, error.allowed) from error
    return rows


def _settings(place: str, row: Row, path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, value in row.items():
        key = SHORT.get(column, column)
        _check_column(place, column, key)
        if key in found:
            raise UnreadableError(f"{place}: column {column!r} says {key} a second time")
        if column == "seed":
            value = [_seed(place, value)]
        elif isinstance(value, str) and key in _keys(path=True):
            value = _beside(path, value)
        found[key] = value
    if not found:
        raise UnreadableError(f"{place} says nothing")
    return found


def _check_column(place: str, column: str, key: str) -> None:
    first = key.partition(".")[0]
    if first in NOT_OF_A_CELL:
        raise UnreadableError(f"{place}: column {column!r} is the same for all cells of a sweep")
    # Metrics are named by their options, which may be a user's own.
    if key not in _keys() and first != "metrics":
        raise UnreadableError(
            f"{place}: column {column!r}: {no_such_key(key)}", f"keys, or {', '.join(SHORT)}"
        )


def _seed(place: str, value: object) -> int:
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        problem = f"{place}: column 'seed': {value!r} is no whole number"
        raise UnreadableError(problem, "one seed; several of a row: a column seeds")
    return value


def _beside(file: Path, value: str) -> str:
    """A path as seen from the file's folder; addresses and absolute ones stay."""
    if "://" in value or value.startswith(("~", "/")) or not value.strip():
        return value
    return str(file.absolute().parent / value)


@cache
def _keys(*, path: bool = False) -> frozenset[str]:
    """The keys of the config; or those alone that are paths."""
    found = walk_keys(Config)
    return frozenset(name for name, one in found if not path or one.metadata.get(PATH))


def _of_table(table: Table) -> Rows:
    if table.names is None:
        yield from ((f"line {line}", row) for line, row in table.rows)
        return
    for line, row in table.rows:
        said = {key: typed(SHORT.get(key, key), own) for key, own in row.items() if own.strip()}
        if said:
            yield f"line {line}", said


def _of_yaml(text: str) -> Rows:
    try:
        rows = yaml.load(text, Loader=get_yaml_loader())
    except (yaml.YAMLError, RecursionError) as error:
        raise UnreadableError(f"is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(rows, list):
        raise UnreadableError("is no list of records", "- prompt: ...")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise UnreadableError(f"record {number} is no mapping of keys to values")
        yield f"record {number}", {str(key): value for key, value in row.items()}
