"""Short names of axes and values on sheets, and the user's own: `--labels ddim=DDIM`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from runner.analysis.comparison.labels import axis_names, one_line
from runner.analysis.grids.shots import CELL, PROMPT, SEED, CellShots, Shot, names_cell
from runner.catalog.versions import VERSIONS
from runner.errors import ConfigError

BARE = re.compile(r"|[+-]?\d.*|[+-]?\.\d.*|true|false|null|none|auto|\[.*|\{.*", re.IGNORECASE)
"""Values that say nothing without their key."""


@dataclass(frozen=True)
class Names:
    """How axes and values are written.

    Attributes:
        short: axis -> its last part, where that is unique.
        shared: values that several axes have, so that they need their keys.
        own: an axis, its last part, a value, or axis=value -> the user's text.
    """

    short: Mapping[str, str] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()
    own: Mapping[str, str] = field(default_factory=dict)

    def said(self, axis: str, value: str) -> str:
        """A value with its key, or alone where that is clear: guidance_scale = 4, ddim."""
        short = self.short.get(axis, axis)
        for pair in (f"{axis}={value}", f"{short}={value}", value):
            if pair in self.own:
                return one_line(self.own[pair])
        key = self.own.get(axis, self.own.get(short))
        if axis == "model" and value in VERSIONS and value not in self.shared:
            return f"Kandinsky {VERSIONS[value].title}"
        if key == "" or (key is None and (axis == PROMPT or names_cell(axis))):
            return one_line(value)
        if key is None and value not in self.shared and not BARE.fullmatch(value):
            return one_line(value)
        shown = value or '""'
        return one_line(f"{short if key is None else key} = {shown}")

    def renamed(self, text: str) -> str:
        """A text, or the user's own in its place."""
        return one_line(self.own.get(text, text))


def names_of(cells: Sequence[CellShots], asked: Sequence[str]) -> Names:
    """The names for these cells.

    Args:
        asked: `what=text`: what is an axis, its last part, a value, or axis=value.

    Raises:
        ConfigError: there is no such axis or value.
    """
    values: dict[str, dict[str, None]] = {}
    for shot in _all_values(cells):
        for axis, value in shot.items():
            values.setdefault(axis, {})[value] = None
    named = [axis for axis in values if axis not in (PROMPT, SEED, CELL)]
    short = dict(zip(named, axis_names(named), strict=True))
    counts = Counter(value for axis in named for value in values[axis])
    shared = frozenset(value for value, count in counts.items() if count > 1)
    known = dict.fromkeys(short.values()) | dict.fromkeys(values)
    known |= dict.fromkeys(value for axis in values for value in values[axis])
    pairs = (
        f"{name}={value}"
        for axis in values
        for name in (axis, short.get(axis, axis))
        for value in values[axis]
    )
    own = dict(_parted(text, known | dict.fromkeys(pairs), list(known)) for text in asked)
    return Names(short, shared, own)


def _parted(text: str, known: Mapping[str, None], allowed: Sequence[str]) -> tuple[str, str]:
    """What is renamed, which may hold "=" itself, and its new text."""
    places = [place for place, character in enumerate(text) if character == "="]
    for place in places:
        # scheduler=ddim=DDIM names a value of an axis, ddim=DDIM any such value.
        longer = [p for p in places if p > place and text[:p] in known]
        if text[:place] in known and not longer:
            return text[:place], text[place + 1 :]
    raise ConfigError("labels", text, "renames no axis and no value of these pictures", allowed)


def _all_values(cells: Iterable[CellShots]) -> Iterable[Mapping[str, str]]:
    for cell in cells:
        yield cell.choice
        yield from (shot.values for shot in cell.shots)


def axes(shots: Iterable[Shot]) -> list[str]:
    """The axes to choose from: the keys that the sweep varies, prompt, seed, cell."""
    return list(dict.fromkeys(axis for shot in shots for axis in shot.values))
