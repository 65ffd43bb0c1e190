"""What a picture costs, as numbers beside its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from runner.config.measuring import JOULES, MEMORY, SECONDS, SPEED, WEIGHTS
from runner.recording.manifest import SavedImage

Better: TypeAlias = str | None
"""Which numbers are better: "higher", "lower", or neither."""

COSTS: Mapping[str, Better] = {
    SECONDS: "lower", SPEED: "higher", JOULES: "lower", MEMORY: "lower", WEIGHTS: "lower",
}  # fmt: skip
"""Numbers that are shown after the metrics, where they are known."""

EXACT = (WEIGHTS,)
"""Costs in which there is no chance: one pair tells the difference."""


def costs_of(record: SavedImage) -> dict[str, float]:
    """Those of `COSTS` that are known, but seconds and memory of weights: these tell something only
    together with those of other images (`SweepResult.scores_of`).
    """
    costs: dict[str, float] = {}
    if record.repeats and record.took.get("decode") and record.steps:
        costs[SPEED] = record.steps / record.took["decode"]
    if record.joules_measured is not None:
        costs[JOULES] = record.joules_measured
    if record.peak_device_mb is not None:
        costs[MEMORY] = record.peak_device_mb
    return costs
