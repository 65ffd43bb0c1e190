"""What a comparison finds: rows of numbers and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from runner.analysis.comparison.pareto import Point
from runner.analysis.results import Better


class Verdict(StrEnum):
    """What a difference says."""

    baseline = "baseline"
    better = "better"
    worse = "worse"
    undecided = "undecided"
    too_few = "too few pairs"
    none = "none"


@dataclass(frozen=True)
class Row:
    """A setting by one metric.

    Attributes:
        choice: axis -> value.
        n: pictures that were measured; cells, of a metric of all their pictures together.
        mean: of them; `mean_low` to `mean_high` is its interval, None where too few tell none.
        pairs: those of which the baseline has the same; 0 of the baseline itself.
        difference: mean over the pairs, this setting minus the baseline; None without pairs.
        low: `low` to `high` is its interval; None where too few tell none.
    """

    choice: Mapping[str, str]
    n: int
    mean: float
    mean_low: float | None
    mean_high: float | None
    pairs: int
    difference: float | None
    low: float | None
    high: float | None
    verdict: Verdict


@dataclass(frozen=True)
class MetricRows:
    """A metric, which of its numbers are the better ones, and a row for each setting that has any.

    Attributes:
        compared: how many settings are compared with the baseline: their intervals hold together.
    """

    better: Better
    compared: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Comparison:
    """What a sweep says of its settings.

    Attributes:
        of: digest of the results that were compared.
        by: the axes that make a setting.
        baseline: axis -> value.
        confidence: 0.95: that of a mean's interval, and of all differences of a metric together.
        notes: how to read it, one sentence or two each.
        warnings: what is missing.
        pareto: metric -> quality and seconds of each setting; of metrics with a direction.
    """

    name: str
    of: str
    by: tuple[str, ...]
    baseline: Mapping[str, str]
    confidence: float
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    metrics: Mapping[str, MetricRows]
    pareto: Mapping[str, tuple[Point, ...]]
