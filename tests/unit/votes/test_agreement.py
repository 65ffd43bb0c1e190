"""Agreement of voters: published numbers, and what chance gives."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from runner.analysis.votes.agreement import krippendorff_alpha, raw_agreement

OBSERVERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
"""Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section D: 12 units."""


def test_published_alpha() -> None:
    units = [
        [answer for answer in unit if answer != "."]
        for unit in zip(*map(str.split, OBSERVERS), strict=True)
    ]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)


@pytest.mark.parametrize(
    ("units", "raw", "alpha"),
    [
        ([["a", "a"], ["b", "b"], ["a"]], 1.0, 1.0),
        ([["a", "b"], ["b", "a"]], 0.0, -0.5),
        ([["a", "a", "b"]], 1 / 3, 0.0),
        ([["a", "a"]], 1.0, None),
        ([["a"], ["b"]], None, None),
        ([], None, None),
    ],
    ids=["all", "none", "three voters", "always the same", "alone", "no votes"],
)
def test_agreement(units: Sequence[Sequence[str]], raw: float | None, alpha: float | None) -> None:
    assert raw_agreement(units) == (raw if raw is None else pytest.approx(raw))
    assert krippendorff_alpha(units) == (alpha if alpha is None else pytest.approx(alpha))
