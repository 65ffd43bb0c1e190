"""Joules of a stage, from readings of an energy counter before and after its repeats."""

from __future__ import annotations

from collections.abc import Sequence

SHORTEST = 0.5
"""Seconds below which a counter, which moves every 20 to 100 ms, tells nothing."""


def joules_each(
    before: float | None, after: float | None, repeats: Sequence[float]
) -> float | None:
    """Joules of one repeat.

    Args:
        before, after: readings of the counter; None: there is none.
        repeats: seconds of each repeat.

    Returns:
        None where it is not known: without a counter, or where all repeats together are too short.
    """
    if before is None or after is None or after <= before or sum(repeats) < SHORTEST:
        return None
    return (after - before) / len(repeats)
