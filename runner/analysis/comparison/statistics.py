"""Block bootstrap intervals of means, for many samples at once.

Whole blocks are drawn with replacement: all numbers of a prompt, or all of a prompt and
seed. In a sample of independent numbers each is a block.

The interval is BCa (Efron 1987) as in `scipy.stats.bootstrap`. With few blocks a bootstrap is
too narrow, since it estimates the spread from them alone: its level is widened as Student's t
is from the normal distribution, "expanded" in Hesterberg 2015, What Teachers Should Know About the
Bootstrap, The American Statistician 69(4), section 3.2. Without that, 95 % intervals of 8 normal
numbers miss the mean in 12 % of cases, and with it in 5 %.
"""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Numbers: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]

RESAMPLES, MOST_RESAMPLES = 9_999, 99_999
BEYOND = 10
"""How many resamples should lie beyond each end: stricter levels need more resamples."""

STRICTEST = 4e-5
"""Smallest share beyond both ends that MOST_RESAMPLES can resolve."""

SEED = 20_260_101
"""Fixed, so that the same numbers give the same interval."""

AT_ONCE = 2_000_000
"""Most numbers of one array of resamples."""

EQUAL = 1e-12
"""Relative tolerance: equal differences may differ by rounding."""


@dataclass(frozen=True)
class Blocks:
    """A sample as sums of blocks.

    Attributes:
        sums: [blocks].
        counts: [blocks], how many numbers are in each sum.
    """

    sums: Numbers
    counts: Numbers

    def __len__(self) -> int:
        return len(self.sums)

    @property
    def mean(self) -> float:
        """The mean of all numbers, whatever the sizes of their blocks."""
        return float(self.sums.sum() / self.counts.sum())


@dataclass(frozen=True)
class Interval:
    """An interval from `low` to `high`."""

    low: float
    high: float


def blocks_of(values: Sequence[float], belongs: Sequence[Hashable]) -> Blocks:
    """Sum numbers by block; each comes with the block that it belongs to."""
    places: dict[Hashable, int] = {}
    which = [places.setdefault(block, len(places)) for block in belongs]
    sums = np.bincount(which, np.asarray(values, dtype=np.float64), len(places))
    counts = np.bincount(which, minlength=len(places))
    return Blocks(sums.astype(np.float64), counts.astype(np.float64))


def intervals(samples: Sequence[Blocks], misses: Sequence[float]) -> list[Interval | None]:
    """An interval for the mean of each sample; None where it has too few blocks.

    Args:
        misses: for each sample, the share of cases in which it may miss the mean: 0.05.
    """
    found: list[Interval | None] = [None] * len(samples)
    alike: defaultdict[tuple[int, float], list[int]] = defaultdict(list)
    for place, (sample, missing) in enumerate(zip(samples, misses, strict=True)):
        if len(sample) < 2:
            continue
        if _is_constant(sample):
            found[place] = Interval(sample.mean, sample.mean)
        elif can_decide(len(sample), missing):
            alike[len(sample), missing].append(place)
    for (count, missing), all_places in alike.items():
        level = expanded(missing, count)
        resamples = resamples_for(level)
        step = max(1, 10 * AT_ONCE // resamples)
        for first in range(0, len(all_places), step):
            places = all_places[first : first + step]
            low, high = _bootstrapped([samples[place] for place in places], level, resamples)
            for place, ends in zip(places, zip(low, high, strict=True), strict=True):
                found[place] = _checked(*ends)
    return found


def can_decide(blocks: int, missing: float) -> bool:
    """Whether so many numbers, all on one side of their mean, are unlikely enough by chance.

    No resample leaves their range, so with fewer numbers no bootstrap reaches this level.
    """
    return math.ldexp(1.0, 1 - blocks) <= missing


def expanded(missing: float, blocks: int) -> float:
    """The share beyond both ends at which a percentile interval is as wide as Student's t."""
    wide = math.sqrt(blocks / (blocks - 1)) * stats.t.isf(missing / 2, blocks - 1)
    return max(STRICTEST, float(2 * stats.norm.sf(wide)))


def resamples_for(level: float) -> int:
    """How many resamples an interval needs that leaves out the share `level` of them."""
    return min(max(RESAMPLES, math.ceil(2 * BEYOND / level)), MOST_RESAMPLES)


def _is_constant(sample: Blocks) -> bool:
    """Whether each resample would have the same mean."""
    means = sample.sums / sample.counts
    return bool(np.ptp(means) <= EQUAL * np.abs(means).max())


def _bootstrapped(
    samples: Sequence[Blocks], level: float, resamples: int
) -> tuple[Numbers, Numbers]:
    """Lower and upper ends, [samples] each; all samples have the same number of blocks."""
    count = len(samples[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # see `_checked`
        found = stats.bootstrap(
            (np.arange(count),),
            _means(samples),
            vectorized=True,
            n_resamples=resamples,
            confidence_level=1 - level,
            batch=max(1, AT_ONCE // count),
            random_state=np.random.default_rng(SEED),
        )
    return found.confidence_interval.low, found.confidence_interval.high


def _means(samples: Sequence[Blocks]) -> Callable[..., Numbers]:
    """The statistic for scipy, which resamples block indices: one draw serves all samples."""
    sums = np.stack([sample.sums for sample in samples], axis=1)
    counts = np.stack([sample.counts for sample in samples], axis=1)
    # Mostly all blocks have one size; then the sums suffice.
    size = counts.flat[0] if (counts == counts.flat[0]).all() else None

    def means(drawn: Indices, axis: int = -1) -> Numbers:
        """[..., drawn] -> [samples, ...]."""
        rows = drawn.reshape(-1, drawn.shape[-1])
        of_all = len(sums)
        numbered = rows + np.arange(len(rows))[:, None] * of_all
        often = np.bincount(numbered.ravel(), minlength=len(rows) * of_all)
        often = often.reshape(len(rows), of_all).astype(np.float64)
        weight = rows.shape[1] * size if size is not None else often @ counts
        return ((often @ sums) / weight).T.reshape(-1, *drawn.shape[:-1])

    return means


def _checked(low: float, high: float) -> Interval | None:
    # BCa has no interval for some very lopsided samples.
    return Interval(float(low), float(high)) if math.isfinite(low) and math.isfinite(high) else None
