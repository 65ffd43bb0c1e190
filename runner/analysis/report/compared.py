"""Reads what `kandinsky compare` wrote into a sweep's folder, also of votes, for the page."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

from runner.analysis.comparison.findings import Comparison, Row
from runner.analysis.results import SweepResult
from runner.analysis.selecting import select
from runner.analysis.votes.findings import Judged, VoteRow
from runner.analysis.votes.record import digest_of, read_votes
from runner.analysis.within.findings import StoredWithin
from runner.analysis.within.tables import answer, compared_rows
from runner.errors import ConfigError
from runner.system.text import shell
from runner.system.typed_json import FieldError
from runner.system.untrusted import UntrustedError, path_below

FILE, VOTES_FILE = "comparison/comparison.json", "comparison/votes.json"
WITHIN_FILES = "comparison-*/within.json"

T = TypeVar("T")


def read_comparison(folder: Path) -> Comparison | None:
    """The comparison in a sweep's folder; None where there is none. Raises ConfigError."""
    return _read(Comparison.read, folder, FILE, "comparison")


def read_within(folder: Path) -> list[StoredWithin]:
    """The comparisons within strata in a sweep's folder, but those with other sweeps. Raises
    ConfigError.
    """
    names = (str(file.relative_to(folder)) for file in sorted(folder.glob(WITHIN_FILES)))
    found = (_read(StoredWithin.read, folder, name, "comparison") for name in names)
    return [each for each in found if each is not None and each.sweeps == 1]


def read_judged(folder: Path) -> Judged | None:
    """What votes said when they were last compared; None where there were none. Raises
    ConfigError.
    """
    return _read(Judged.read, folder, VOTES_FILE, "votes")


def _read(read: Callable[[Path], T], folder: Path, name: str, key: str) -> T | None:
    """What a file holds; None where there is none.

    Raises:
        ConfigError: it cannot be read, or is of another version.
    """
    try:
        return read(path_below(folder, name))
    except FileNotFoundError:
        return None
    except (OSError, FieldError, UntrustedError) as error:
        allowed = "one that this version of `kandinsky compare` wrote, or none"
        raise ConfigError(key, folder / name, f"cannot be read: {error}", allowed) from error


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


def describe_votes(judged: Judged, result: SweepResult) -> dict[str, Any]:
    """Plain values for the page: mappings by names become lists of pairs.

    Args:
        result: what the page shows, which may have changed since, as may the votes.
    """
    return {
        "by": judged.by,
        "baseline": tuple(judged.baseline.items()),
        "confidence": judged.confidence,
        "warnings": judged.warnings,
        "outdated": judged.of != digest_of(result, [read_votes(result.folder)]),
        "questions": [
            {
                "question": each.question,
                "notes": each.notes,
                "rows": [_plain(row) for row in each.rows],
            }
            for each in judged.questions
        ],
    }


def _plain(row: Row | VoteRow) -> dict[str, Any]:
    return {**vars(row), "choice": tuple(row.choice.items())}


def _has_changed(of: str, where: Sequence[str], result: SweepResult) -> bool:
    try:
        return of != (select(result, where) if where else result).digest
    except ConfigError:  # no cell has these values any more
        return True
