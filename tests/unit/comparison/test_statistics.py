"""Intervals against scipy, against Student's t, and their coverage of the true mean."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from runner.analysis.comparison.statistics import (
    AT_ONCE,
    RESAMPLES,
    SEED,
    Blocks,
    Interval,
    blocks_of,
    can_decide,
    expanded,
    intervals,
    resamples_for,
)


def single(values: NDArray[np.float64]) -> Blocks:
    """Each number a block."""
    return blocks_of(values.tolist(), range(len(values)))


def interval(values: NDArray[np.float64], missing: float = 0.05) -> Interval:
    (found,) = intervals([single(values)], [missing])
    assert found is not None
    return found


@pytest.mark.parametrize("count", [16, 37, 400], ids="{} numbers".format)
def test_it_is_what_scipy_says_of_each_sample_alone(count: int) -> None:
    assert count < 40 or RESAMPLES * count > AT_ONCE, "one of the sizes takes several batches"
    random = np.random.default_rng(count)
    samples = [random.normal(1, 2, count), random.lognormal(size=count), random.uniform(size=count)]
    found = intervals([single(sample) for sample in samples], [0.05] * 3)
    level = expanded(0.05, count)
    for sample, ours in zip(samples, found, strict=True):
        theirs = stats.bootstrap(
            (sample,), np.mean, confidence_level=1 - level, n_resamples=resamples_for(level),
            method="BCa", rng=np.random.default_rng(SEED),
        ).confidence_interval  # fmt: skip
        assert ours is not None
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)


def test_of_many_normal_numbers_it_is_students_interval() -> None:
    sample = np.random.default_rng(0).normal(3, 2, 2000)
    student = stats.ttest_1samp(sample, 0).confidence_interval(0.95)
    width = student.high - student.low
    found = interval(sample)
    assert abs(found.low - student.low) < 0.03 * width
    assert abs(found.high - student.high) < 0.03 * width


@pytest.mark.parametrize("count", [8, 20], ids="{} numbers".format)
def test_it_holds_the_mean_as_often_as_it_says(count: int) -> None:
    random = np.random.default_rng(count)
    # Apart, for samples of one call share what is drawn.
    found = [
        each
        for _ in range(20)
        for each in intervals([single(random.normal(1, 1, count)) for _ in range(40)], [0.05] * 40)
    ]
    held = np.mean([each is not None and each.low <= 1 <= each.high for each in found])
    assert 0.925 < held < 0.975


def test_levels_for_many_comparisons_hold_too() -> None:
    random = np.random.default_rng(5)
    samples = [single(random.normal(0, 1, 30)) for _ in range(1000)]
    found = intervals(samples, [0.005] * 1000)
    missed = np.mean([each is not None and not each.low <= 0 <= each.high for each in found])
    assert missed < 0.02


def test_a_stricter_level_is_wider() -> None:
    sample = np.random.default_rng(1).normal(size=40)
    at = [interval(sample, missing) for missing in (0.1, 0.05, 0.01, 0.001)]
    for inner, outer in itertools.pairwise(at):
        assert outer.low < inner.low < inner.high < outer.high


def test_the_same_numbers_have_the_same_interval_whatever_is_beside_them() -> None:
    random = np.random.default_rng(2)
    one, other = random.normal(size=25), random.normal(size=25)
    together = intervals([single(other), single(one)], [0.05, 0.05])[1]
    assert together is not None
    assert (together.low, together.high) == pytest.approx(
        (interval(one).low, interval(one).high), rel=1e-12
    )


def test_numbers_that_belong_together_count_once() -> None:
    random = np.random.default_rng(3)
    of_prompts = random.normal(size=12)
    values = np.repeat(of_prompts, 10) + random.normal(0, 0.01, 120)  # ten seeds that agree
    apart = interval(values)
    (blocks,) = intervals([blocks_of(values.tolist(), np.repeat(range(12), 10).tolist())], [0.05])
    assert blocks is not None
    assert blocks.high - blocks.low > 2.5 * (apart.high - apart.low)
    student = stats.ttest_1samp(of_prompts, 0).confidence_interval(0.95)
    assert blocks.high - blocks.low == pytest.approx(student.high - student.low, rel=0.2)


def test_blocks_of_many_numbers_weigh_more() -> None:
    blocks = blocks_of([1, 1, 1, 4, 0], ["a", "a", "a", "b", "c"])
    assert blocks.mean == pytest.approx(7 / 5)
    assert len(blocks) == 3
    random = np.random.default_rng(4)
    sizes = random.integers(1, 9, 60)
    owners = np.repeat(np.arange(60), sizes)
    values = random.normal(5, 1, len(owners))
    (found,) = intervals([blocks_of(values.tolist(), owners.tolist())], [0.05])
    assert found is not None
    assert found.low < values.mean() < found.high
    assert found.high - found.low < 1


@pytest.mark.parametrize("value", [0.0, -0.3, 1 / 3])
def test_equal_numbers_have_that_very_interval(value: float) -> None:
    found = interval(np.full(9, value))
    assert (found.low, found.high) == pytest.approx((value, value))


def test_numbers_equal_but_for_rounding_are_equal() -> None:
    found = interval(np.array([0.3 - 0.1, 0.5 - 0.3, 0.2] * 3))
    assert found.high - found.low == 0


@pytest.mark.parametrize(("count", "missing"), [(0, 0.05), (1, 0.05), (5, 0.05), (8, 0.005)])
def test_too_few_numbers_have_none(count: int, missing: float) -> None:
    assert not can_decide(count, missing)
    sample = single(np.random.default_rng(0).normal(size=count))
    assert intervals([sample], [missing]) == [None]


def test_six_numbers_are_enough_for_one_comparison() -> None:
    assert can_decide(6, 0.05)  # 2 / 64 of all signs alike
    assert interval(np.random.default_rng(0).normal(size=6))


def test_lopsided_numbers_never_have_half_an_interval() -> None:
    samples = [
        np.array(pattern, dtype=np.float64)
        for pattern in itertools.product((0, 0.1, 1000), repeat=6)
        if len(set(pattern)) > 1
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = intervals([single(sample) for sample in samples], [0.05] * len(samples))
    for sample, each in zip(samples, found, strict=True):
        assert each is not None
        assert math.isfinite(each.high - each.low)
        assert sample.min() - 1e-9 <= each.low <= each.high <= sample.max() + 1e-9
