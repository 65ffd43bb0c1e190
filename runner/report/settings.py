"""Configs and environments as rows of texts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from runner.results import CellResult

Pairs: TypeAlias = tuple[tuple[str, str], ...]
"""Keys and their values, in order."""

GENERAL = "general"


@dataclass(frozen=True)
class Group:
    """A part of the environment: each key with the values that it has in the cells."""

    name: str
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Nested mappings as dotted keys with texts; lists as JSON."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", _text(value)


def environment(cells: Sequence[CellResult]) -> Iterator[Group]:
    """What made the pictures, in groups; several values where cells differ in one.

    What is null everywhere says nothing, and is left out.
    """
    groups: dict[str, dict[str, dict[str, None]]] = {GENERAL: {}}
    for cell in cells:
        for name, value in cell.manifest.get("environment", {}).items():
            nested = isinstance(value, Mapping)
            group = groups.setdefault(name, {}) if nested else groups[GENERAL]
            for key, text in flat(value if nested else {name: value}):
                group.setdefault(key, {})[text] = None
    for name, rows in groups.items():
        said = tuple(
            (key, tuple(values)) for key, values in rows.items() if set(values) != {"null"}
        )
        if said:
            yield Group(name, said)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
