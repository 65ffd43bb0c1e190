"""The result of a comparison: rows of numbers and verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from runner.analysis.comparison.pareto import Point
from runner.analysis.costs import Better
from runner.analysis.stored import read_stored
from runner.system.untrusted import Finite

VERSION = 2
READABLE = (1, 2)
"""Version 1 has no digest of its results, so such a file counts as outdated."""


class Verdict(StrEnum):
    """Whether a setting is better or worse than the baseline."""

    baseline = "baseline"
    better = "better"
    worse = "worse"
    undecided = "undecided"
    too_few = "too few pairs"
    none = "none"


@dataclass(frozen=True)
class Row:
    """One setting, measured by one metric.

    Attributes:
        choice: axis -> value.
        n: number of pictures measured; of cells, for a metric of a whole cell's pictures.
        mean: `mean_low` to `mean_high` is its interval; None where there are too few numbers.
        pairs: how many of them the baseline has too; 0 for the baseline itself.
        difference: mean over the pairs, this setting minus the baseline; None without pairs.
        low: `low` to `high` is the difference's interval; None where there are too few pairs.
    """

    choice: Mapping[str, str]
    n: int
    mean: Finite
    mean_low: Finite | None
    mean_high: Finite | None
    pairs: int
    difference: Finite | None
    low: Finite | None
    high: Finite | None
    verdict: Verdict


@dataclass(frozen=True)
class MetricRows:
    """One metric: whether higher or lower is better, and a row for each setting that has it."""

    better: Better
    rows: tuple[Row, ...]

    @property
    def compared(self) -> int:
        """How many settings are compared with the baseline; their intervals hold jointly."""
        return sum(1 for row in self.rows if row.pairs)


@dataclass(frozen=True)
class Comparison:
    """The settings of a sweep, compared.

    Attributes:
        of: digest of the results that were compared.
        by: the axes that make a setting.
        baseline: axis -> value.
        confidence: 0.95: of a mean's interval, and of all differences of a metric jointly.
        notes: how to read it, one or two sentences each.
        warnings: what is missing.
        pareto: metric -> quality and seconds of each setting; only metrics with a direction.
        unmeasured: number -> why it was not measured, where it is usually there.

    As JSON it is without its name and its warnings, which are among the notes.
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
    unmeasured: Mapping[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> dict[str, Any]:
        """What was compared, and the digest of all pictures and numbers, for a plot's config."""
        return {
            "by": self.by,
            "baseline": dict(self.baseline),
            "confidence": self.confidence,
            "of": self.of,
        }

    def as_json(self) -> str:
        """Plain values for other programs and for the page; without NaN."""
        content = {
            "version": VERSION,
            "of": self.of,
            "by": list(self.by),
            "baseline": dict(self.baseline),
            "confidence": self.confidence,
            "note": " ".join(self.notes),
            "metrics": {
                name: {"better": rows.better, "rows": [_plain(row) for row in rows.rows]}
                for name, rows in self.metrics.items()
            },
            "pareto": {
                name: [_plain(point) for point in points] for name, points in self.pareto.items()
            },
            "unmeasured": dict(self.unmeasured),
        }
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def read(cls, file: Path) -> Comparison:
        """Read what `as_json` wrote. The notes come back as one text. Raises as `read_stored`."""
        stored = read_stored(_Stored, file, READABLE)
        return cls(
            name="",
            of=stored.of,
            by=stored.by,
            baseline=stored.baseline or {},
            confidence=stored.confidence,
            notes=(stored.note,) if stored.note else (),
            warnings=(),
            metrics=stored.metrics,
            pareto=stored.pareto,
            unmeasured=stored.unmeasured,
        )


@dataclass(frozen=True)
class _Stored:
    """The fields of the JSON."""

    by: tuple[str, ...]
    baseline: Mapping[str, str] | None
    confidence: float
    note: str | None
    metrics: Mapping[str, MetricRows]
    of: str = ""
    pareto: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)
    unmeasured: Mapping[str, str] = field(default_factory=dict)


def _plain(row: Row | Point) -> dict[str, Any]:
    return {**vars(row), "choice": dict(row.choice)}
