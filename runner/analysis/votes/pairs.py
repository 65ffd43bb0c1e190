"""Which pairs of pictures are shown to voters, and in which order.

All voters see the same pairs, so that their agreement can be measured. However many are taken,
each setting is met by the others about equally often, and so is each prompt. Everything follows
from hashes: it is the same in every process, and tells nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from runner.analysis.comparison.baseline import named_axes
from runner.analysis.comparison.pairing import (
    Setting,
    compared_axes,
    paired_by_place,
    settings_of,
)
from runner.analysis.results import ImageResult, SweepResult
from runner.analysis.votes.record import Shown
from runner.errors import ConfigError

MOST = 10_000
"""Most pairs of a schedule: more than anybody votes on."""

TOGETHER = 12
"""How many pairs are shuffled together: so voters who stop early have judged the same."""


@dataclass(frozen=True)
class Pair:
    """Two pictures to choose from, which differ in their setting.

    Attributes:
        prompt: of both; None where it would tell which is which.
        images: the pictures; `shown`: as votes name them.
        mark: a hash of the two, which tells nothing.
    """

    prompt: str | None
    images: tuple[ImageResult, ImageResult]
    shown: tuple[Shown, Shown]
    mark: str

    def is_turned(self, voter: str) -> bool:
        """Whether this voter sees the second picture on the left."""
        return int(_hash("side", voter, self.mark), 16) % 2 == 1


@dataclass(frozen=True)
class Schedule:
    """The pairs that are shown.

    Attributes:
        by: the axes that make a setting.
        rounds: pairs that are shuffled together; all of one round come before those of the next.
        alike: how many pairs are not shown as both pictures have the same pixels.
        cut: whether there are more pairs than MOST.
    """

    by: tuple[str, ...]
    rounds: tuple[tuple[Pair, ...], ...]
    alike: int
    cut: bool

    def for_voter(self, voter: str) -> list[Pair]:
        """All pairs, in the order of this voter."""
        return [
            pair
            for each in self.rounds
            for pair in sorted(each, key=lambda pair: _hash("order", voter, pair.mark))
        ]

    def __len__(self) -> int:
        return sum(map(len, self.rounds))


def make_schedule(
    results: SweepResult, by: Sequence[str] | None = None, limit: int | None = None
) -> Schedule:
    """The pairs of a sweep's settings, as `compare` pairs their pictures.

    Args:
        by: the axes that make a setting; None: those that the sweep's baseline names, else all.
        limit: how many pairs, at most.

    Raises:
        ConfigError: there are no two settings with pictures that differ, or no such axis.
    """
    if len(results.cells) < 2:
        allowed = "the folder of a sweep; `kandinsky sweeps` lists them"
        problem = "has a single cell: there is nothing to choose from"
        raise ConfigError("folder", results.folder, problem, allowed)
    axes = compared_axes(results, by if by is not None else named_axes(results, None) or None)
    settings = [setting for setting in settings_of(results, axes) if setting.pictures]
    most = MOST if limit is None else min(limit, MOST)
    secret = paired_by_place(axes)
    pairs: list[Pair] = []
    alike, cut = 0, False
    for images in _by_turns(settings):
        pair = _pair(results, images, secret)
        if pair.shown[0].sha256 == pair.shown[1].sha256:
            alike += 1
        elif len(pairs) == most:
            cut = limit is None
            break
        else:
            pairs.append(pair)
    if not pairs:
        problem = "all pairs have the same pixels" if alike else "no two settings have a pair yet"
        raise ConfigError("folder", results.folder, problem, "a sweep of settings that differ")
    rounds = (pairs[first : first + TOGETHER] for first in range(0, len(pairs), TOGETHER))
    return Schedule(axes, tuple(map(tuple, rounds)), alike, cut)


def _by_turns(settings: Sequence[Setting]) -> Iterator[tuple[ImageResult, ImageResult]]:
    """Pictures of each pair of settings in turn, until none is left."""
    orders: dict[tuple[int, int], list[Hashable]] = {}
    for turn in count():
        some = False
        for couple in _couples(len(settings)):
            if couple not in orders:
                orders[couple] = _units(settings, couple)
            if turn < len(orders[couple]):
                some = True
                one, other = (settings[n].pictures[orders[couple][turn]].image for n in couple)
                assert one is not None
                assert other is not None
                yield one, other
        if not some:
            return


def _couples(settings: int) -> Iterator[tuple[int, int]]:
    """Each pair of settings, by the rounds of a tournament: in each all settings meet another."""
    places = sorted(range(settings), key=lambda n: _hash("setting", n))
    circle: list[int | None] = [*places, *([None] if settings % 2 else [])]
    for _ in range(len(circle) - 1):
        for one, other in zip(circle, reversed(circle), strict=True):
            if one is not None and other is not None and one < other:
                yield one, other
        circle = [circle[0], circle[-1], *circle[1:-1]]


def _units(settings: Sequence[Setting], couple: tuple[int, int]) -> list[Hashable]:
    """What both settings have drawn, one of each prompt before the next of any."""
    ours, theirs = (settings[n].pictures for n in couple)
    by_prompt: dict[str, list[Hashable]] = {}
    for unit, own in ours.items():
        if unit in theirs:
            by_prompt.setdefault(own.prompt, []).append(unit)
    ranked = [
        (rank, _hash("prompt", couple, prompt), unit)
        for prompt, units in by_prompt.items()
        for rank, unit in enumerate(sorted(units, key=lambda own: _hash("unit", couple, own)))
    ]
    return [unit for _, _, unit in sorted(ranked, key=lambda one: one[:2])]


def _pair(results: SweepResult, images: tuple[ImageResult, ImageResult], secret: bool) -> Pair:
    one, other = (
        Shown(image.file.relative_to(results.folder).as_posix(), image.record.sha256)
        for image in images
    )
    prompt = None if secret else images[0].prompt
    return Pair(prompt, images, (one, other), _hash("pair", sorted([str(one), str(other)])))


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "replace")).hexdigest()[:32]
