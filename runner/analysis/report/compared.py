"""Reads the comparison that `kandinsky compare` wrote into a sweep's folder, for the page."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from runner.analysis.comparison.findings import Comparison
from runner.errors import ConfigError
from runner.system.typed_json import FieldError
from runner.system.untrusted import UntrustedError, path_below

FILE = "comparison/comparison.json"


def read_comparison(folder: Path) -> Comparison | None:
    """The comparison in a sweep's folder; None where there is none.

    Raises:
        ConfigError: it cannot be read, or is of another version.
    """
    try:
        return Comparison.read(path_below(folder, FILE))
    except FileNotFoundError:
        return None
    except (OSError, FieldError, UntrustedError) as error:
        file, said = folder / FILE, f"cannot be read: {error}"
        allowed = "one that this version of `kandinsky compare` wrote, or none"
        raise ConfigError("comparison", file, said, allowed) from error


def describe_comparison(comparison: Comparison, without: Collection[str] = ()) -> dict[str, Any]:
    """Plain values for the page: mappings by names become lists of pairs or of objects.

    Args:
        without: metrics to leave out: an earlier comparison may have what was not measured.
    """
    return {
        "of": comparison.of,
        "by": comparison.by,
        "baseline": tuple(comparison.baseline.items()),
        "confidence": comparison.confidence,
        "note": " ".join(comparison.notes),
        "metrics": [
            {
                "name": name,
                "better": metric.better,
                "rows": [{**vars(row), "choice": tuple(row.choice.items())} for row in metric.rows],
            }
            for name, metric in comparison.metrics.items()
            if name not in without
        ],
    }
