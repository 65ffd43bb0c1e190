"""The result of a comparison within strata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runner.analysis.comparison.findings import Comparison, MetricRows
from runner.analysis.costs import Better
from runner.analysis.stored import read_stored

VERSION = 1


@dataclass(frozen=True)
class Stratum:
    """Values of the strata's axes, and the settings compared there."""

    values: Mapping[str, str]
    rows: MetricRows


@dataclass(frozen=True)
class Interaction:
    """Whether a setting's difference depends on the stratum.

    Attributes:
        choice: the setting, axis -> value.
        strata, blocks: how many were compared: of blocks those that all these strata have.
        statistic, between, within: of the F test; None where there are too few blocks or strata.
        p: for one setting; `p_adjusted`: for all settings of the metric together (Bonferroni).
        differs: whether it does; None where too little is known.
    """

    choice: Mapping[str, str]
    strata: int
    blocks: int
    statistic: float | None
    between: float | None
    within: float | None
    p: float | None
    p_adjusted: float | None
    differs: bool | None


@dataclass(frozen=True)
class PromptRow:
    """A setting's difference for one prompt, over all strata; described, not tested."""

    prompt: str
    choice: Mapping[str, str]
    pairs: int
    baseline_mean: float
    mean: float
    difference: float


@dataclass(frozen=True)
class WithinMetric:
    """One metric: `overall` is the row of each setting over all strata."""

    better: Better
    overall: MetricRows
    strata: tuple[Stratum, ...]
    interactions: tuple[Interaction, ...]
    prompts: tuple[PromptRow, ...]


@dataclass(frozen=True)
class Within:
    """Settings of a sweep, compared within strata.

    Attributes:
        overall: the comparison of all strata together: what `compare` without strata finds.
        within: the axes that make a stratum.
        where: which cells were taken, as `key=value`.
        notes: how to read it.
        sweeps: how many were compared as one.
    """

    overall: Comparison
    within: tuple[str, ...]
    where: tuple[str, ...]
    notes: tuple[str, ...]
    metrics: Mapping[str, WithinMetric]
    sweeps: int = 1

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is missing."""
        return self.overall.warnings

    @property
    def by(self) -> tuple[str, ...]:
        """The axes that make a setting."""
        return self.overall.by

    @property
    def baseline(self) -> Mapping[str, str]:
        """The setting that the others are compared with."""
        return self.overall.baseline

    def as_json(self) -> str:
        """Plain values for other programs; without NaN."""
        whole = self.overall
        content: dict[str, Any] = {
            "version": VERSION,
            "of": whole.of,
            "by": list(whole.by),
            "within": list(self.within),
            "where": list(self.where),
            "baseline": dict(whole.baseline),
            "confidence": whole.confidence,
            "notes": list(self.notes),
            "metrics": {name: asdict(metric) for name, metric in self.metrics.items()},
            "unmeasured": dict(whole.unmeasured),
            "sweeps": self.sweeps,
        }
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass(frozen=True)
class StoredWithin:
    """What `Within.as_json` wrote: its fields, for who shows it afterwards."""

    of: str
    by: tuple[str, ...]
    within: tuple[str, ...]
    where: tuple[str, ...]
    baseline: Mapping[str, str]
    confidence: float
    notes: tuple[str, ...]
    metrics: Mapping[str, WithinMetric]
    sweeps: int = 1

    @classmethod
    def read(cls, file: Path) -> StoredWithin:
        """Read it. Raises as `read_stored`."""
        return read_stored(cls, file, (VERSION,))
