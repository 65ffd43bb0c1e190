"""Writes the command of a sweep from its cells, whether they are all combinations or not."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runner.config.hydra.meaning import value_meant
from runner.config.overrides import assigned
from runner.system.text import shell


def combinations(axes: Mapping[str, Sequence[str]]) -> int:
    """How many cells all combinations of the axes' values would be."""
    count = 1
    for values in axes.values():
        count *= len(values)
    return count


def command_of(
    cells: Sequence[Sequence[str]], axes: Mapping[str, Sequence[str]], flags: Sequence[str]
) -> str:
    """The command that runs a sweep again, with its cells in the same order.

    Args:
        cells: the overrides of each.
        axes: keys that differ between cells, with their values in order.
        flags: --config-dir and its like.
    """
    chosen = [assigned(overrides) for overrides in cells]
    fixed = [text for text in cells[0] if text.partition("=")[0] not in axes]
    keys = list(axes)
    # As few keys as possible in `axes`, which come first: the others are all combined with them.
    for count in range(len(keys) + 1):
        listed = list(dict.fromkeys(tuple(own.get(key) for key in keys[:count]) for own in chosen))
        if len(listed) * combinations({key: axes[key] for key in keys[count:]}) != len(cells):
            continue  # and they may be more than there is memory for
        free = [axes[key] for key in keys[count:]]
        expected = [(*one, *others) for one in listed for others in itertools.product(*free)]
        if expected == [tuple(own.get(key) for key in keys) for own in chosen]:
            break
    swept = [f"{key}={','.join(axes[key])}" for key in keys[count:]]
    if count:
        swept.insert(0, as_axes([dict(zip(keys, values, strict=False)) for values in listed]))
    return shell(["kandinsky", "run", *flags, "-m", *fixed, *swept])


def as_axes(cells: Iterable[Mapping[str, str | None]]) -> str:
    """The argument `axes=...` that says cells by their overrides, by key."""
    return f"axes={json.dumps([_entry(cell) for cell in cells], ensure_ascii=False)}"


def _entry(overrides: Mapping[str, str | None]) -> dict[str, Any]:
    """The values of overrides as `axes` takes them: a list among them is one value."""
    values = {key: value_meant(text) for key, text in overrides.items() if text is not None}
    return {key: [own] if isinstance(own, list | dict) else own for key, own in values.items()}
