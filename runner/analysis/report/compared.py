"""Reads the comparisons that `kandinsky compare` wrote into a sweep's folder, for the page."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from runner.analysis.comparison.findings import Comparison, Row
from runner.analysis.results import SweepResult
from runner.analysis.selecting import select
from runner.analysis.within.findings import StoredWithin
from runner.analysis.within.tables import answer, compared_rows
from runner.errors import ConfigError
from runner.system.text import shell
from runner.system.typed_json import FieldError
from runner.system.untrusted import UntrustedError, path_below

FILE = "comparison/comparison.json"
WITHIN_FILES = "comparison-*/within.json"


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
        raise unreadable("comparison", folder / FILE, error) from error


def read_within(folder: Path) -> list[StoredWithin]:
    """The comparisons within strata in a sweep's folder, but those with other sweeps.

    Raises:
        ConfigError: one cannot be read, or is of another version.
    """
    found = []
    for file in sorted(folder.glob(WITHIN_FILES)):
        try:
            found.append(StoredWithin.read(path_below(folder, str(file.relative_to(folder)))))
        except (OSError, FieldError, UntrustedError) as error:
            raise unreadable("comparison", file, error) from error
    return [each for each in found if each.sweeps == 1]


def unreadable(key: str, file: Path, error: Exception) -> ConfigError:
    """The error of a file of `kandinsky compare` that cannot be shown."""
    allowed = "one that this version of `kandinsky compare` wrote, or none"
    return ConfigError(key, file, f"cannot be read: {error}", allowed)


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
                "rows": [_plain(row) for row in metric.rows],
            }
            for name, metric in comparison.metrics.items()
            if name not in without
        ],
    }


def _asked_again(found: StoredWithin) -> str:
    """The command that asks the same of a sweep, but for its folder."""
    baseline = [f"{axis}={value}" for axis, value in found.baseline.items()]
    asked = {"by": found.by, "within": found.within, "where": found.where, "baseline": baseline}
    options = [(f"--{name}", *values) for name, values in asked.items() if values]
    return shell(["kandinsky", "compare", "FOLDER", *itertools.chain(*options)])


def describe_within(
    found: StoredWithin, result: SweepResult, without: Collection[str] = ()
) -> dict[str, Any]:
    """Plain values for the page. Rows without a stratum are over all of them.

    Args:
        result: what the page shows, which may have changed since.
    """
    return {
        "by": found.by,
        "within": found.within,
        "where": found.where,
        "baseline": tuple(found.baseline.items()),
        "confidence": found.confidence,
        "note": " ".join(found.notes),
        "outdated": _has_changed(found.of, found.where, result),
        "command": _asked_again(found),
        "metrics": [
            {
                "name": name,
                "better": metric.better,
                "rows": [
                    {**_plain(row), "stratum": values and tuple(values.items())}
                    for values, row in compared_rows(metric)
                ],
                "interactions": [
                    {
                        "choice": tuple(one.choice.items()),
                        "statistic": one.statistic,
                        "p": one.p_adjusted,
                        "answer": answer(one),
                    }
                    for one in metric.interactions
                ],
            }
            for name, metric in found.metrics.items()
            if name not in without
        ],
    }


def _plain(row: Row) -> dict[str, Any]:
    return {**vars(row), "choice": tuple(row.choice.items())}


def _has_changed(of: str, where: Sequence[str], result: SweepResult) -> bool:
    try:
        return of != (select(result, where) if where else result).digest
    except ConfigError:  # no cell has these values any more
        return True
