"""Reads what `kandinsky compare` found in the votes of people on a sweep, for the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runner.analysis.comparison.writing import FOLDER
from runner.analysis.report.compared import unreadable
from runner.analysis.results import SweepResult
from runner.analysis.votes.findings import Judged
from runner.analysis.votes.record import digest_of, read_votes
from runner.system.typed_json import FieldError
from runner.system.untrusted import UntrustedError, path_below

FILE = f"{FOLDER}/votes.json"


def read_judged(folder: Path) -> Judged | None:
    """What the votes said when they were last compared; None where there were none.

    Raises:
        ConfigError: it cannot be read, or is of another version.
    """
    try:
        return Judged.read(path_below(folder, FILE))
    except FileNotFoundError:
        return None
    except (OSError, FieldError, UntrustedError) as error:
        raise unreadable("votes", folder / FILE, error) from error


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
                "rows": [{**vars(row), "choice": tuple(row.choice.items())} for row in each.rows],
            }
            for each in judged.questions
        ],
    }
