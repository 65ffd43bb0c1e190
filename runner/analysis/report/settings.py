"""Configs and environments as rows of texts for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from runner.analysis.results import CellResult
from runner.system.text import flatten

Pairs: TypeAlias = tuple[tuple[str, str], ...]
"""Keys and their values, in order."""

GENERAL = "general"


@dataclass(frozen=True)
class Group:
    """A section of the environment: each key with its values in the cells."""

    name: str
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def environment(cells: Sequence[CellResult]) -> Iterator[Group]:
    """The environment of the pictures, in groups; several values where cells differ.

    Keys that are null everywhere are left out.
    """
    groups: dict[str, dict[str, dict[str, None]]] = {GENERAL: {}}
    for cell in cells:
        if cell.manifest is None:
            continue
        for name, value in cell.manifest.environment.items():
            nested = isinstance(value, Mapping)
            group = groups.setdefault(name, {}) if nested else groups[GENERAL]
            for key, text in flatten(value if nested else {name: value}).items():
                group.setdefault(key, {})[text] = None
    for name, rows in groups.items():
        said = tuple(
            (key, tuple(values)) for key, values in rows.items() if set(values) != {"null"}
        )
        if said:
            yield Group(name, said)
