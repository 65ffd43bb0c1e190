"""Names of MLflow runs: by what tells a cell from the others of its sweep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import get_type_hints

from runner.config.key_heads import OF_NO_PICTURE, head_of
from runner.config.overrides import assigned, shown_value
from runner.config.schema import Config

LONGEST, LONGEST_VALUE = 200, 40
SHORT = {"num_inference_steps": "steps", "guidance_scale": "guidance"}
HOW_FAST = {"threads", "workers", "graphs"}
NOT_NAMED = (OF_NO_PICTURE - HOW_FAST) | {"weights", "experiment", "bench"}
"""Keys, and groups, of which a run of its own is not named: they change no picture, or its name."""


def cell_name(overrides: Sequence[str], axes: Iterable[str]) -> str:
    """A cell's values of the axes: "ddim guidance=4". "": it has none."""
    return _named(overrides, list(axes))


def run_name(name: str, overrides: Sequence[str], run_id: str) -> str:
    """Name of a run that is no cell: with what was asked of it, else the end of its id."""
    keys = [key for key in assigned(overrides) if head_of(key) not in NOT_NAMED]
    said = _named(overrides, keys)
    return f"{name} {said}"[:LONGEST] if said else f"{name}-{run_id[-8:]}"


def sweep_name(name: str, axes: Iterable[str]) -> str:
    """A sweep's own name with its axes: "steps: scheduler x guidance"."""
    short = _short_keys(list(axes))
    return f"{name}: {' x '.join(short.values())}"[:LONGEST] if short else f"{name} sweep"


def _named(overrides: Sequence[str], keys: Sequence[str]) -> str:
    values, short = assigned(overrides), _short_keys(keys)
    said = []
    for key in keys:
        if key in values:
            value = _short_value(values[key])
            is_option = key.lstrip("+") in _groups()
            said.append(value.rpartition("/")[2] if is_option else f"{short[key]}={value}")
    return " ".join(said)[:LONGEST]


def _short_keys(keys: Sequence[str]) -> dict[str, str]:
    """The last part of each key, with the part before it where two have the same."""
    last = {key: _words(key.lstrip("+").split(".")[-1:]) for key in keys}
    found = list(last.values())
    return {
        key: own if found.count(own) == 1 else _words(key.lstrip("+").split("."))
        for key, own in last.items()
    }


def _words(parts: Sequence[str]) -> str:
    return ".".join(SHORT.get(part, part) for part in parts)


def _short_value(value: str) -> str:
    """A value as it is shown, on one line."""
    value = shown_value(value)
    line = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    return line if len(line) <= LONGEST_VALUE else f"{line[:LONGEST_VALUE].rstrip()}…"


@cache
def _groups() -> frozenset[str]:
    """Keys that choose an option of a group, whose name says enough."""
    hints = get_type_hints(Config)
    return frozenset(one.name for one in fields(Config) if is_dataclass(hints[one.name])) | {
        "experiment",
        "metrics",
    }
