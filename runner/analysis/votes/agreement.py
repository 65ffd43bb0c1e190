"""How far voters agree: raw agreement, and Krippendorff's alpha."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence


def raw_agreement(units: Sequence[Sequence[Hashable]]) -> float | None:
    """The share of two voters' answers on one unit that are the same; each unit with several
    answers counts by the number of its answers, as in alpha. None: no unit has two.
    """
    observed, _, count = _disagreements(units)
    return 1 - observed if count else None


def krippendorff_alpha(units: Sequence[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha for nominal answers: 1 is agreement, 0 what chance gives.

    Computing Krippendorff's Alpha-Reliability (2011), section D: any number of voters, and some
    may have skipped a unit. None: no unit has two answers, or all answers are the same.

    Args:
        units: the answers on each unit.
    """
    observed, expected, count = _disagreements(units)
    return 1 - observed / expected if count and expected else None


def _disagreements(units: Sequence[Sequence[Hashable]]) -> tuple[float, float, int]:
    """Observed and expected disagreement, and how many answers are in units with several."""
    several = [unit for unit in units if len(unit) > 1]
    count = sum(map(len, several))
    if not count:
        return 0.0, 0.0, 0
    same = sum(
        often * (often - 1) / (len(unit) - 1)
        for unit in several
        for often in Counter(unit).values()
    )
    of_all = Counter(answer for unit in several for answer in unit)
    alike = sum(often * (often - 1) for often in of_all.values())
    return 1 - same / count, 1 - alike / (count * (count - 1)), count
