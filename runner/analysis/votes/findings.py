"""What the votes on a sweep say: rows of counts and strengths, by question."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from runner.analysis.comparison.findings import Verdict
from runner.analysis.stored import read_stored
from runner.system.untrusted import Finite

VERSION = 1


@dataclass(frozen=True)
class VoteRow:
    """One setting.

    Attributes:
        choice: axis -> value.
        strength: log odds of being preferred to the baseline; None where no chain of votes leads
            to it.
        low: `low` to `high` is its interval; None where it has no end, or where there is none.
        preferred: the share of votes against the baseline that the strength stands for.
    """

    choice: Mapping[str, str]
    won: int
    tied: int
    lost: int
    strength: Finite | None
    low: Finite | None
    high: Finite | None
    preferred: Finite | None
    verdict: Verdict


@dataclass(frozen=True)
class Agreement:
    """How far voters agree, and whether they prefer a side.

    Attributes:
        pairs: how many pairs several voters judged.
        raw: the share of two voters' answers on one pair that are the same.
        alpha: Krippendorff's, for nominal answers.
        left: the share of the left picture among votes that were no ties, with the ends of its
            95 % interval; None: there are none.
    """

    pairs: int
    raw: Finite | None
    alpha: Finite | None
    left: Finite | None
    left_low: Finite | None
    left_high: Finite | None


@dataclass(frozen=True)
class Question:
    """The votes on one question.

    Attributes:
        votes: those that count.
        notes: how to read it.
    """

    question: str
    votes: int
    voters: int
    pairs: int
    rows: tuple[VoteRow, ...]
    agreement: Agreement
    notes: tuple[str, ...]

    @property
    def compared(self) -> int:
        """How many settings are compared with the baseline; their intervals hold jointly."""
        return sum(
            row.strength is not None and row.verdict is not Verdict.baseline for row in self.rows
        )


@dataclass(frozen=True)
class Judged:
    """The votes on a sweep. Voters' names are not in it: it is shared with the page.

    Attributes:
        of: digest of the pictures and the votes.
        by: the axes that make a setting.
        baseline: axis -> value.
        confidence: 0.95: of all intervals of a question jointly.
        warnings: which votes do not count, and why.
    """

    name: str
    of: str
    by: tuple[str, ...]
    baseline: Mapping[str, str]
    confidence: Finite
    warnings: tuple[str, ...]
    questions: tuple[Question, ...]

    def as_json(self) -> str:
        """Plain values for other programs and for the page; without NaN."""
        content = {"version": VERSION, **asdict(self)}
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def read(cls, file: Path) -> Judged:
        """Read what `as_json` wrote. Raises as `read_stored`."""
        return read_stored(cls, file, (VERSION,))
