"""Strengths of settings from paired votes, by the model of Bradley and Terry (1952).

The chance that setting i is preferred to j is 1 / (1 + exp(s_j - s_i)). A tie is half a point for
each, so the strengths are those with which each setting expects just the points that it has; the
equations of Davidson (1970) for strengths with ties are the same, but for a parameter of their
frequency. That model has no finite strengths for a setting that ties and never wins, and calls two
wins against one among a hundred ties twice as strong; half points tell what is asked here, which
share of the votes a setting gets.

Each setting is counted as having tied once more, against all others in equal parts. So strengths
are finite also where a setting won, or lost, every vote; with two settings it is the correction of
Firth (1993), which takes away most of the bias of small samples.

Intervals are by the jackknife over blocks: each block (a prompt's votes of all voters) is left out
once. They hold whatever the votes on one prompt have in common, as the sandwich estimate CR3 does
(Bell and McCaffrey 2002), with Student's t. It is done with the arcsine of the root of the share of
votes against the baseline, whose spread depends least on the share: with log odds, almost all votes
for one setting would count as less certain than most of them (Hauck and Donner 1977).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from runner.analysis.comparison.statistics import can_decide

Numbers: TypeAlias = NDArray[np.float64]
Meeting: TypeAlias = tuple[int, int, float]
"""Two settings, and the points of the first: 1 where it won, 1/2 for a tie, 0 where it lost."""

PRIOR = 1.0
"""Ties of each setting that are added to its votes, spread over all others."""

CONVERGED, MOST_STEPS = 1e-10, 100
CONSTANT = 1e-9
"""Strengths that differ less than this differ by rounding."""


@dataclass(frozen=True)
class Strength:
    """How strong a setting is, against the baseline: log odds of being preferred to it.

    Attributes:
        low: `low` to `high` is its interval; None where it has no end.
        blocks: how many blocks have votes on the setting, or on the baseline if that is fewer.
        enough: whether so many blocks can have an interval.
    """

    value: float
    low: float | None
    high: float | None
    blocks: int
    enough: bool


def fit(points: Numbers, prior: float = PRIOR, start: Numbers | None = None) -> Numbers:
    """The most likely strengths, [settings], whose sum is 0.

    Args:
        points: [settings, settings]; in row i and column j the votes for i against j, and half of
            those that were ties.
        prior: see PRIOR. With 0 they are finite only if `is_decided`.
        start: strengths to begin with; [settings].
    """
    count = len(points)
    if count < 2:
        return np.zeros(count)
    added = prior / 2 / (count - 1)
    counted = points + added * (1 - np.eye(count))
    meetings = counted + counted.T
    found = np.zeros(count) if start is None else start
    likely = _likelihood(counted, found)
    for _ in range(MOST_STEPS):
        chance = 1 / (1 + np.exp(found[None, :] - found[:, None]))
        slope = (counted - meetings * chance).sum(axis=1)
        bend = meetings * chance * (1 - chance)
        # Strengths are free but for their sum, so a matrix of ones makes this one regular.
        step = np.linalg.solve(np.diag(bend.sum(axis=1)) - bend + 1, slope)
        while (next_likely := _likelihood(counted, found + step)) < likely - CONVERGED:
            step /= 2
        found, likely = found + step, next_likely
        if np.abs(step).max() < CONVERGED:
            break
    return found


def _likelihood(counted: Numbers, strengths: Numbers) -> float:
    return float(-(counted * np.logaddexp(0, strengths[None, :] - strengths[:, None])).sum())


def reached(meetings: NDArray[np.bool_], first: int) -> NDArray[np.bool_]:
    """Which settings a chain leads to, [settings]; from row i it leads to the columns that are
    true.
    """
    found = np.zeros(len(meetings), dtype=bool)
    found[first] = True
    while (more := found | meetings[found].any(axis=0)).sum() > found.sum():
        found = more
    return found


def is_decided(points: Numbers) -> bool:
    """Whether the strengths are finite without a prior: from each setting a chain of votes, or of
    ties, leads to each other one (Ford 1957).
    """
    won = points > 0
    return bool(reached(won, 0).all() and reached(won.T, 0).all())


def points_of(meetings: Iterable[Meeting], settings: int) -> Numbers:
    """[settings, settings], see `fit`."""
    points = np.zeros((settings, settings))
    for one, other, won in meetings:
        points[one, other] += won
        points[other, one] += 1 - won
    return points


def strengths(
    blocks: Sequence[Sequence[Meeting]], settings: int, baseline: int, missing: float
) -> list[Strength]:
    """The strength of each setting against the baseline.

    Args:
        blocks: the meetings of each. A chain of them leads from the baseline to each setting.
        missing: the share of cases in which the interval of any setting may miss: together they
            hold by Bonferroni.
    """
    missing /= max(1, settings - 1)
    total = points_of((meeting for block in blocks for meeting in block), settings)
    whole = fit(total)
    angles = _angles(whole, baseline)
    without = np.array([fit(total - points_of(own, settings), start=whole) for own in blocks])
    each = _angles(without, baseline)
    # Without the factor (blocks - 1) / blocks of the jackknife, which is a little narrow with few.
    errors = np.sqrt(((each - each.mean(axis=0)) ** 2).sum(axis=0))
    seen = np.zeros(settings, dtype=np.int64)
    for block in blocks:
        seen[list({place for meeting in block for place in meeting[:2]})] += 1
    found = []
    for place in range(settings):
        value = float(whole[place] - whole[baseline])
        have = int(min(seen[place], seen[baseline]))
        if place == baseline or have < 2 or not can_decide(have, missing):
            found.append(Strength(value, None, None, have, enough=False))
        elif errors[place] < CONSTANT:
            found.append(_of_votes_all_alike(value, have, missing))
        else:
            half = float(errors[place] * stats.t.isf(missing / 2, have - 1))
            low, high = (_log_odds(float(angles[place]) + side * half) for side in (-1, 1))
            found.append(Strength(value, low, high, have, enough=True))
    return found


def _angles(strengths: Numbers, baseline: int) -> Numbers:
    """[..., settings] -> the arcsine of the root of each share of votes against the baseline."""
    against = strengths - strengths[..., [baseline]]
    angles: Numbers = np.arctan(np.exp(against / 2))  # the same, and whole near both ends
    return angles


def _log_odds(angle: float) -> float | None:
    """None where it is none of a share above 0 and below 1."""
    return 2 * math.log(math.tan(angle)) if 0 < angle < math.pi / 2 else None


def _of_votes_all_alike(value: float, blocks: int, missing: float) -> Strength:
    """The exact interval (Clopper and Pearson 1934) of a share that was the whole, or nothing, of
    so many blocks.
    """
    if abs(value) < CONSTANT:
        return Strength(value, value, value, blocks, enough=True)
    least = (missing / 2) ** (1 / blocks)
    end = math.log(least / (1 - least))
    low, high = (end, None) if value > 0 else (None, -end)
    return Strength(value, low, high, blocks, enough=True)


def share(strength: float) -> float:
    """The share of votes against the baseline that a strength stands for."""
    return 1 / (1 + math.exp(-strength))
