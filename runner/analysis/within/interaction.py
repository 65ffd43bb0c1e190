"""Tests whether a paired difference depends on the stratum.

The strata share their prompts and noise, so their differences are repeated measures of one block.
Tested is the effect of the stratum in a one-way repeated-measures analysis of variance, with the
degrees of freedom of Greenhouse and Geisser 1959, On Methods in the Analysis of Profile Data,
Psychometrika 24(2): their epsilon makes up for strata whose spreads or correlations differ (Box
1954). With two strata it is the paired t test of one stratum's differences against the other's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from runner.analysis.comparison.statistics import EQUAL, Numbers


@dataclass(frozen=True)
class FTest:
    """An F test.

    Attributes:
        statistic: None where nothing is left to compare it with: all blocks say the same.
        between, within: degrees of freedom, both after the correction.
    """

    statistic: float | None
    between: float
    within: float
    p: float


def interaction(differences: Numbers) -> FTest:
    """Test that all strata have the same mean difference.

    Args:
        differences: [blocks, strata], two or more of both.
    """
    blocks, strata = differences.shape
    epsilon = _epsilon(differences)
    between, within = epsilon * (strata - 1), epsilon * (strata - 1) * (blocks - 1)
    means = differences.mean(0)
    residuals = differences - means - differences.mean(1, keepdims=True) + differences.mean()
    explained = blocks * float(((means - differences.mean()) ** 2).sum()) / (strata - 1)
    left = float((residuals**2).sum()) / ((strata - 1) * (blocks - 1))
    tiny = (EQUAL * float(np.abs(differences).max())) ** 2
    if left <= tiny:
        return FTest(None, between, within, 1.0 if explained <= tiny else 0.0)
    statistic = explained / left
    return FTest(statistic, between, within, float(stats.f.sf(statistic, between, within)))


def _epsilon(differences: Numbers) -> float:
    """Greenhouse and Geisser's: 1 where strata vary alike, at least 1 / (strata - 1)."""
    strata = differences.shape[1]
    covariance = np.atleast_2d(np.cov(differences, rowvar=False))
    centred = covariance - covariance.mean(0) - covariance.mean(1, keepdims=True)
    centred = centred + covariance.mean()
    squares, trace = float((centred**2).sum()), float(np.trace(centred))
    if squares <= 0:
        return 1.0
    found = trace**2 / ((strata - 1) * squares)
    return float(min(1.0, max(found, 1 / (strata - 1))))
