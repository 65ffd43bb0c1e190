"""The axes of a sweep whose cells came with several commands: keys in which its cells differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from runner.config.key_heads import OF_NO_PICTURE, head_of
from runner.config.overrides import assigned
from runner.config.recorded import typed_at
from runner.config.values import one_of
from runner.recording.sweep_record import CellEntry

PICTURES = ("prompt", "prompt_file", "prompt_template", "seeds")
GROWS = {*PICTURES, "metrics"}
APART = OF_NO_PICTURE | GROWS
"""Keys by which cells are no others; unless they are axes."""


def axis_keys(axes: Iterable[Iterable[str]], overrides: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """The keys that may be axes: those that are, and all that were typed which make another cell.

    Args:
        axes: of the parts of a sweep; `overrides`: of its cells.
    """
    known = dict.fromkeys(key for one in axes for key in one)
    typed = (key for one in overrides for key in assigned(one))
    return tuple(known | dict.fromkeys(key for key in typed if head_of(key) not in APART))


def with_axes(
    cells: Sequence[CellEntry], configs: Mapping[int, Mapping[str, Any]], keys: Iterable[str]
) -> tuple[tuple[CellEntry, ...], dict[str, tuple[str, ...]]]:
    """The cells, each with its value of every axis, and the axes: keys in which they differ.

    A value that was not typed for a cell is that of its config; all are spelled as the first is.
    """
    pairs = {cell.number: dict(assigned(cell.overrides)) for cell in cells}
    axes: dict[str, tuple[str, ...]] = {}
    for key in keys:
        known: list[str] = []
        own: dict[int, str] = {}
        typed_first = sorted(cells, key=lambda cell: key not in pairs[cell.number])
        for cell in typed_first:
            typed = pairs[cell.number].get(key)
            said = typed if typed is not None else typed_at(configs.get(cell.number, {}), key)
            if said is None:
                continue
            alike = one_of(key, said, known)
            own[cell.number] = said if alike is None else alike
            known += [said] if own[cell.number] == said and said not in known else []
        if len(known) > 1:
            in_order = (own[cell.number] for cell in cells if cell.number in own)
            axes[key] = tuple(dict.fromkeys(in_order))
            for number, value in own.items():
                pairs[number][key] = value
    written = (tuple(f"{k}={v}" for k, v in pairs[cell.number].items()) for cell in cells)
    return tuple(
        replace(cell, overrides=one) for cell, one in zip(cells, written, strict=True)
    ), axes
