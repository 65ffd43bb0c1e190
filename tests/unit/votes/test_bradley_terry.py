"""Strengths of settings from votes: published ones, another way to them, false verdicts."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import optimize

from runner.analysis.votes.bradley_terry import (
    PRIOR,
    Meeting,
    Numbers,
    Strength,
    fit,
    is_decided,
    points_of,
    reached,
    strengths,
)

BASEBALL = {
    "Milwaukee": (0, 7, 9, 7, 7, 9, 11), "Detroit": (6, 0, 7, 5, 11, 9, 9),
    "Toronto": (4, 6, 0, 7, 7, 8, 12), "New York": (6, 8, 6, 0, 6, 7, 10),
    "Boston": (6, 2, 6, 7, 0, 7, 12), "Cleveland": (4, 4, 5, 6, 6, 0, 6),
    "Baltimore": (2, 4, 1, 3, 1, 7, 0),
}  # fmt: skip
"""Games won in the American League's eastern division in 1987; Agresti, Categorical Data Analysis
(2002), page 438."""

PUBLISHED = (1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839, 0.0)
"""Its strengths against Baltimore: table 10.11 there, with the digits of R's BradleyTerry2 (Turner
and Firth 2012)."""


def by_scipy(points: Numbers, prior: float) -> Numbers:
    """The most likely strengths against the last one, by worths instead of their logarithms."""
    count = len(points)

    def unlikely(logarithms: Numbers) -> float:
        worth = np.exp([*logarithms, 0.0])
        found = 0.0
        for i, j in combinations(range(count), 2):
            tied = prior / 2 / (count - 1)
            chance = worth[i] / (worth[i] + worth[j])
            found += (points[i, j] + tied) * np.log(chance)
            found += (points[j, i] + tied) * np.log(1 - chance)
        return -float(found)

    found = optimize.minimize(unlikely, np.zeros(count - 1), method="BFGS", tol=1e-10)
    return np.array([*found.x, 0.0])


def test_published_strengths() -> None:
    found = fit(np.array(list(BASEBALL.values()), dtype=float), prior=0)
    assert found.sum() == pytest.approx(0)
    assert found - found[-1] == pytest.approx(PUBLISHED, abs=6e-5)


@pytest.mark.parametrize("prior", [0.0, PRIOR])
def test_the_same_as_by_another_way(prior: float) -> None:
    points = np.random.default_rng(5).integers(1, 9, (5, 5)) / 2 * (1 - np.eye(5))
    found = fit(points, prior)
    assert found - found[-1] == pytest.approx(by_scipy(points, prior), abs=1e-4)


def test_two_settings_are_their_odds() -> None:
    points = points_of([(0, 1, 1.0)] * 6 + [(1, 0, 1.0)] * 2 + [(0, 1, 0.5)] * 2, 2)
    value, other = fit(points, prior=0)
    assert value - other == pytest.approx(math.log(7 / 3))
    value, other = fit(points)
    assert value - other == pytest.approx(math.log(7.5 / 3.5))


def test_whether_the_votes_alone_decide() -> None:
    # 2 beats 0 and 1, which tie; 3 met nobody.
    points = points_of([(2, 0, 1.0), (2, 1, 1.0), (0, 1, 0.5)], 4)
    assert not is_decided(points[:3, :3])
    assert is_decided(points[:2, :2])
    assert reached((points + points.T) > 0, 0).tolist() == [True, True, True, False]
    assert is_decided(points[:3, :3] + points_of([(0, 2, 0.5)], 3))
    found = fit(points[:3, :3])
    assert np.isfinite(found).all()
    assert found[2] > found[0] == pytest.approx(found[1])


def test_a_setting_that_won_every_vote_has_an_interval_with_one_end() -> None:
    blocks: list[list[Meeting]] = [[(1, 0, 1.0)] for _ in range(8)]
    baseline, found = strengths(blocks, 2, 0, 0.05)
    assert (baseline.value, baseline.low, baseline.high) == (0, None, None)
    # Clopper and Pearson: a share that was 8 of 8 is above (0.05 / 2) ** (1 / 8).
    least = 0.025 ** (1 / 8)
    assert found.value == pytest.approx(math.log(8.5 / 0.5))
    assert found.low == pytest.approx(math.log(least / (1 - least)))
    assert found.high is None
    turned = strengths([[(0, 1, 1.0)] for _ in range(8)], 2, 0, 0.05)[1]
    assert turned.low is None
    assert turned.high == pytest.approx(-math.log(least / (1 - least)))


def test_too_few_blocks_have_no_interval() -> None:
    few: list[list[Meeting]] = [[(1, 0, 1.0)] * 50 for _ in range(5)]
    assert strengths(few, 2, 0, 0.05)[1].low is None
    # Six in all, but of one setting's votes they are three.
    blocks: list[list[Meeting]] = [[(1, 0, 0.5 + n % 2 / 2)] for n in range(6)]
    blocks[:3] = [[*block, (2, 0, 1.0)] for block in blocks[:3]]
    assert [found.blocks for found in strengths(blocks, 3, 0, 0.05)] == [6, 6, 3]
    assert strengths(blocks, 3, 0, 0.05)[2].low is None


def test_nearly_all_votes_for_one_are_as_certain_as_all() -> None:
    blocks: list[list[Meeting]] = [[(1, 0, 1.0)] * 4 for _ in range(12)]
    blocks[0] = [(1, 0, 0.5)] * 4
    found = strengths(blocks, 2, 0, 0.05)[1]
    # A t test of the shares of 12 prompts, 11 of which are 1: p below 1e-8.
    assert found.low is not None
    assert 1 < found.low < found.value
    assert found.high is None or found.high > found.value


def simulated(
    rng: np.random.Generator, means: Numbers, blocks: int, voters: int, spread: float
) -> list[list[Meeting]]:
    """Votes on pictures whose quality differs by prompt, so that voters agree on each; a fifth of
    them are ties.
    """
    found: list[list[Meeting]] = []
    for _ in range(blocks):
        quality = means + rng.normal(0, spread, len(means))
        found.append([])
        for i, j in combinations(range(len(means)), 2):
            chance = 1 / (1 + np.exp(quality[j] - quality[i]))
            for _ in range(voters):
                tied, won = rng.random() < 0.2, rng.random() < chance
                found[-1].append((i, j, 0.5 if tied else float(won)))
    return found


def is_verdict(found: Strength) -> bool:
    return (found.low or 0) > 0 or (found.high or 0) < 0


@pytest.mark.parametrize(
    ("settings", "blocks", "voters", "spread"),
    [(2, 8, 1, 0.0), (2, 12, 3, 1.5), (4, 8, 2, 1.0)],
    ids=["one voter", "three voters who agree", "four settings"],
)
def test_no_difference_is_found_where_there_is_none(
    settings: int, blocks: int, voters: int, spread: float
) -> None:
    rng = np.random.default_rng(7)
    studies = 200
    false = 0
    for _ in range(studies):
        votes = simulated(rng, np.zeros(settings), blocks, voters, spread)
        false += any(map(is_verdict, strengths(votes, settings, 0, 0.05)))
    # One in twenty at most; three standard errors of that share of so many.
    assert false / studies <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / studies)


def test_a_difference_is_found_where_there_is_one() -> None:
    rng = np.random.default_rng(7)
    found = [
        strengths(simulated(rng, np.array([0.0, 1.2]), 20, 2, 0.5), 2, 0, 0.05)[1]
        for _ in range(100)
    ]
    assert sum((one.low or 0) > 0 for one in found) > 70
    assert not any((one.high or 0) < 0 for one in found)
