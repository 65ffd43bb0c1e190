"""The Pareto front of quality against seconds: settings that no other beats in both."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from runner.analysis.comparison.pairing import Measured, Setting, having
from runner.analysis.costs import Better
from runner.config.measuring import SECONDS


@dataclass(frozen=True)
class Point:
    """A setting: mean quality, mean seconds per image, and whether it is on the front."""

    choice: Mapping[str, str]
    quality: float
    seconds: float
    on_front: bool


def points(settings: Sequence[Setting], metric: str, better: Better) -> tuple[Point, ...]:
    """The settings that have both metric and seconds; means are over pictures that have both."""
    found = []
    for setting in settings:
        timed = having(setting, SECONDS).values()
        both = [own for own in timed if metric in own.scores]
        quality = _mean(both or having(setting, metric).values(), metric)
        seconds = _mean(both or timed, SECONDS)
        if quality is not None and seconds is not None:
            found.append((setting.choice, quality, seconds))
    front = on_front([(quality, seconds) for _, quality, seconds in found], better)
    return tuple(
        Point(choice, quality, seconds, first)
        for (choice, quality, seconds), first in zip(found, front, strict=True)
    )


def _mean(measured: Collection[Measured], metric: str) -> float | None:
    return sum(own.scores[metric] for own in measured) / len(measured) if measured else None


def on_front(pairs: Sequence[tuple[float, float]], better: Better) -> list[bool]:
    """For each pair of quality and seconds: whether no other is as good in both and better in one.

    Equal pairs get the same answer.
    """
    sign = 1.0 if better == "higher" else -1.0
    front = [False] * len(pairs)
    best = float("-inf")
    # From fast to slow; of equally fast settings only the best can be on the front.
    order = sorted(range(len(pairs)), key=lambda place: (pairs[place][1], -sign * pairs[place][0]))
    last: tuple[float, float] | None = None
    for place in order:
        quality, seconds = sign * pairs[place][0], pairs[place][1]
        if quality > best or (quality, seconds) == last:
            front[place] = True
            best, last = quality, (quality, seconds)
    return front
