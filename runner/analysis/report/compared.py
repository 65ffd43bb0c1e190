"""`comparison/comparison.json`, which `kandinsky compare` writes, read back for the page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import ConfigError

FILE = Path("comparison", "comparison.json")
VERSIONS = (1, 2)
"""The first did not say what results it is of, so it is taken for an old one."""


@dataclass(frozen=True)
class ComparedRow:
    """A treatment under one metric; see `kandinsky compare` for what the numbers are."""

    choice: tuple[tuple[str, str], ...]
    n: int
    mean: float | None
    mean_low: float | None
    mean_high: float | None
    pairs: int
    difference: float | None
    low: float | None
    high: float | None
    verdict: str


@dataclass(frozen=True)
class ComparedMetric:
    """The treatments under one metric. `better`: higher, lower, or None."""

    name: str
    better: str | None
    rows: tuple[ComparedRow, ...]


@dataclass(frozen=True)
class Comparison:
    """Treatments against a baseline. `of`: digest of the results that were compared."""

    of: str
    by: tuple[str, ...]
    baseline: tuple[tuple[str, str], ...]
    confidence: float | None
    note: str
    metrics: tuple[ComparedMetric, ...]


def read_comparison(folder: Path) -> Comparison | None:
    """The comparison in a sweep's folder; None where there is none.

    Raises:
        ConfigError: it cannot be read, or is of another version.
    """
    file = folder / FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["version"] not in VERSIONS:
            raise ValueError(f"version {content['version']}")
        return Comparison(
            of=str(content.get("of")),
            by=tuple(str(axis) for axis in content["by"]),
            baseline=_pairs(content["baseline"] or {}),
            confidence=_number(content["confidence"]),
            note=str(content["note"] or ""),
            metrics=tuple(
                ComparedMetric(
                    str(name), metric["better"], tuple(_row(row) for row in metric["rows"])
                )
                for name, metric in content["metrics"].items()
            ),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"cannot be read: {type(error).__name__}: {error}"
        allowed = "one that this version of `kandinsky compare` wrote, or none"
        raise ConfigError("comparison", file, said, allowed) from error


def _row(row: Mapping[str, Any]) -> ComparedRow:
    return ComparedRow(
        choice=_pairs(row["choice"]),
        n=int(row["n"]),
        mean=_number(row["mean"]),
        mean_low=_number(row["mean_low"]),
        mean_high=_number(row["mean_high"]),
        pairs=int(row["pairs"]),
        difference=_number(row["difference"]),
        low=_number(row["low"]),
        high=_number(row["high"]),
        verdict=str(row["verdict"]),
    )


def _pairs(choice: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(axis), str(value)) for axis, value in choice.items())


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
