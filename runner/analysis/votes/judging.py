"""Turns votes into strengths of settings, with intervals, verdicts, and agreement of voters."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy import stats

from runner.analysis.comparison.findings import Verdict
from runner.analysis.comparison.pairing import ENOUGH_PROMPTS, settings_of
from runner.analysis.results import SweepResult
from runner.analysis.votes import notes
from runner.analysis.votes.agreement import krippendorff_alpha, raw_agreement
from runner.analysis.votes.bradley_terry import (
    Meeting,
    Strength,
    is_decided,
    points_of,
    reached,
    share,
    strengths,
)
from runner.analysis.votes.findings import Agreement, Judged, Question, VoteRow
from runner.analysis.votes.record import Answer, Vote, Votes, digest_of


@dataclass(frozen=True)
class _Counted:
    """A vote between two settings.

    Attributes:
        settings: the places of those of the left and the right picture.
        pair: names the two pictures, in an order that is always the same.
        answer: which of them was preferred, 0 or 1; None: a tie.
        block: what it has in common with others: prompt and seed.
    """

    vote: Vote
    settings: tuple[int, int]
    pair: tuple[Path, Path]
    answer: int | None
    block: tuple[str, int]

    @property
    def meeting(self) -> Meeting:
        """The left picture's setting, the right one's, and the points of the left one."""
        won = {Answer.left: 1.0, Answer.right: 0.0, Answer.tie: 0.5}[self.vote.answer]
        return (*self.settings, won)


@dataclass(frozen=True)
class _Known:
    """A picture of a setting."""

    setting: int
    unit: Hashable
    sha256: str
    prompt: str
    seed: int


def judge(
    results: SweepResult,
    by: Sequence[str],
    baseline: Mapping[str, str],
    votes: Mapping[Path, Votes],
    confidence: float = 0.95,
) -> Judged | None:
    """What the votes say of a sweep's settings; None where there are none.

    Args:
        by: the axes that make a setting; pictures are pairs as in `compare`.
        baseline: the setting whose strength is 0.
        votes: those of each sweep, by its folder.
    """
    if not any(each.votes or each.unreadable for each in votes.values()):
        return None
    choices = [setting.choice for setting in settings_of(results, by)]
    counted, anew, others = _counted(results, by, votes)
    questions: dict[str, list[_Counted]] = {}
    for one in counted:
        questions.setdefault(one.vote.question, []).append(one)
    return Judged(
        name=results.name,
        of=digest_of(results, votes.values()),
        by=tuple(by),
        baseline=baseline,
        confidence=confidence,
        warnings=notes.not_counted(
            anew, others, sum(len(each.unreadable) for each in votes.values())
        ),
        questions=tuple(
            _question(question, own, choices, baseline, 1 - confidence)
            for question, own in questions.items()
        ),
    )


def _counted(
    results: SweepResult, by: Sequence[str], votes: Mapping[Path, Votes]
) -> tuple[list[_Counted], int, int]:
    """The votes that count; how many are on pictures that changed; how many on no pair of these."""
    known: dict[Path, _Known] = {}
    for place, setting in enumerate(settings_of(results, by)):
        for unit, own in setting.pictures.items():
            if own.image is not None:
                found = _Known(place, unit, own.image.record.sha256, own.prompt, own.seed)
                known[own.image.file] = found
    counted, anew, others = [], 0, 0
    for folder, each in votes.items():
        for vote in each.votes:
            left, right = (known.get(folder / one.file) for one in (vote.left, vote.right))
            if (
                left is None or right is None
                or left.unit != right.unit or left.setting == right.setting
            ):  # fmt: skip
                others += 1
            elif (left.sha256, right.sha256) != (vote.left.sha256, vote.right.sha256):
                anew += 1
            else:
                first = min(left, right, key=lambda one: one.setting)
                one, other = sorted(folder / shown.file for shown in (vote.left, vote.right))
                better = vote.preferred and folder / vote.preferred.file
                counted.append(
                    _Counted(
                        vote, (left.setting, right.setting), (one, other),
                        None if better is None else (one, other).index(better),
                        (first.prompt, first.seed),
                    )
                )  # fmt: skip
    return counted, anew, others


def _question(
    question: str,
    counted: Sequence[_Counted],
    choices: Sequence[Mapping[str, str]],
    baseline: Mapping[str, str],
    missing: float,
) -> Question:
    prompts = len({one.block[0] for one in counted})
    whole_prompts = prompts >= ENOUGH_PROMPTS
    start = list(choices).index(baseline)
    met = sorted({start, *(place for one in counted for place in one.settings)})
    all_places = _placed(met)
    points = points_of((_among(one.meeting, all_places) for one in counted), len(met))
    linked = reached((points + points.T) > 0, met.index(start))
    among = [place for place, is_linked in zip(met, linked, strict=True) if is_linked]
    found: dict[int, Strength] = {}
    if len(among) > 1:
        places = _placed(among)
        blocks: dict[Hashable, list[Meeting]] = {}
        for one in counted:
            if one.settings[0] in places:
                name = one.block[0] if whole_prompts else one.block
                blocks.setdefault(name, []).append(_among(one.meeting, places))
        own = strengths(list(blocks.values()), len(among), among.index(start), missing)
        found = dict(zip(among, own, strict=True))
    counts = _counts(counted)
    rows = tuple(
        _row(choices[place], counts.get(place, (0, 0, 0)), found.get(place), place == start)
        for place in met
    )
    agreement = _agreement(counted)
    voters = len({one.vote.voter for one in counted})
    pairs = len({one.pair for one in counted})
    compared = len(among) - 1
    return Question(
        question=question,
        votes=len(counted),
        voters=voters,
        pairs=pairs,
        rows=rows,
        agreement=agreement,
        notes=(
            notes.counts(len(counted), voters, pairs),
            *notes.strengths(rows, is_decided(points[linked][:, linked])),
            *notes.intervals(rows, compared, 1 - missing, prompts, whole_prompts),
            *notes.agreement(agreement),
        ),
    )


def _among(meeting: Meeting, settings: Mapping[int, int]) -> Meeting:
    """A meeting by the places among some settings."""
    one, other, won = meeting
    return settings[one], settings[other], won


def _placed(settings: Iterable[int]) -> dict[int, int]:
    return {setting: place for place, setting in enumerate(settings)}


def _counts(counted: Sequence[_Counted]) -> dict[int, tuple[int, int, int]]:
    """Setting -> how often it won, tied and lost."""
    found: dict[int, tuple[int, int, int]] = {}
    for one in counted:
        left = one.meeting[2]
        for place, points in zip(one.settings, (left, 1 - left), strict=True):
            won, tied, lost = found.get(place, (0, 0, 0))
            found[place] = won + (points == 1), tied + (points == 0.5), lost + (points == 0)
    return found


def _row(
    choice: Mapping[str, str],
    counts: tuple[int, int, int],
    found: Strength | None,
    is_baseline: bool,
) -> VoteRow:
    if is_baseline:
        verdict = Verdict.baseline
    elif found is None:
        verdict = Verdict.none
    elif not found.enough:
        verdict = Verdict.too_few
    elif found.low is not None and found.low > 0:
        verdict = Verdict.better
    elif found.high is not None and found.high < 0:
        verdict = Verdict.worse
    else:
        verdict = Verdict.undecided
    if found is None:
        return VoteRow(choice, *counts, None, None, None, None, verdict)
    preferred = share(found.value)
    return VoteRow(choice, *counts, found.value, found.low, found.high, preferred, verdict)


def _agreement(counted: Sequence[_Counted]) -> Agreement:
    answers: dict[tuple[Path, Path], list[int | None]] = {}
    for one in counted:
        answers.setdefault(one.pair, []).append(one.answer)
    several = [each for each in answers.values() if len(each) > 1]
    # Which picture of a pair is the first has no meaning: chance prefers neither.
    turned = {0: 1, 1: 0, None: None}
    both = [*several, *([turned[answer] for answer in each] for each in several)]
    decided = [one.vote.answer for one in counted if one.vote.answer is not Answer.tie]
    left = sum(answer is Answer.left for answer in decided)
    low = high = None
    if decided:
        ends = stats.binomtest(left, len(decided)).proportion_ci(0.95, "wilson")
        low, high = float(ends.low), float(ends.high)
    return Agreement(
        len(several), raw_agreement(several), krippendorff_alpha(both),
        left / len(decided) if decided else None, low, high,
    )  # fmt: skip
