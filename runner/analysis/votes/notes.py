"""Notes on how to read what votes say, and warnings about those that do not count."""

from __future__ import annotations

from collections.abc import Sequence

from runner.analysis.comparison.findings import Verdict
from runner.analysis.comparison.labels import percent
from runner.analysis.comparison.notes import Method
from runner.analysis.comparison.pairing import ENOUGH_PROMPTS
from runner.analysis.votes.findings import Agreement, VoteRow
from runner.system.text import pluralize


def counts(votes: int, voters: int, pairs: int) -> str:
    """What was voted on."""
    return (
        f"{pluralize(votes, 'blind vote')} of {pluralize(voters, 'voter')} on "
        f"{pluralize(pairs, 'pair')} of pictures."
    )


def strengths(rows: Sequence[VoteRow], decided: bool) -> list[str]:
    """What a strength is."""
    said: list[str] = [
        Method(
            "Strengths are log odds of being preferred to the baseline (Bradley and Terry), also "
            "by way of others; preferred is the share of votes against it that follows. A tie is "
            "half a vote for each, and each setting counts as having tied once more."
        )
    ]
    if not decided:
        said.append(
            "Without that tie some would be infinite: of settings that won, or lost, all votes "
            "against others."
        )
    apart = sum(row.strength is None for row in rows)
    if any(row.verdict is Verdict.baseline and row.strength is None for row in rows):
        said.append("The baseline was in no vote, so there are no strengths.")
    elif apart:
        said.append(
            f"Without a strength: {pluralize(apart, 'setting')} to which no chain of votes leads "
            "from the baseline."
        )
    return said


def intervals(
    rows: Sequence[VoteRow], compared: int, confidence: float, prompts: int, whole_prompts: bool
) -> list[str]:
    """How an interval is computed, and why some are missing."""
    if not compared:
        return []
    if whole_prompts:
        left_out = f"all votes on a prompt together, {prompts} prompts"
    else:
        left_out = (
            f"all votes on a prompt and seed together; with {pluralize(prompts, 'prompt')}, fewer "
            f"than {ENOUGH_PROMPTS}, what is found holds for these alone"
        )
    joint = f"; joint for {compared} settings (Bonferroni)" if compared > 1 else ""
    said = [
        f"{percent(confidence)} intervals by jackknife with Student's t{joint}. Left out in turn "
        f"are {left_out}. They hold for these voters."
    ]
    if any(row.verdict is Verdict.too_few for row in rows):
        said.append(
            "Too few pairs: with so few prompts, chance alone gives all votes one side too often."
        )
    return said


def agreement(found: Agreement) -> list[str]:
    """How far voters agree, and whether they prefer a side."""
    said = []
    if found.raw is not None:
        alpha = "" if found.alpha is None else f"; Krippendorff's alpha {found.alpha:.2f}"
        said.append(
            f"{pluralize(found.pairs, 'pair')} had several voters: {percent(_share(found.raw))} of "
            f"their answers agree{alpha}."
        )
    if found.left is not None and found.left_low is not None and found.left_high is not None:
        more = "" if found.left_low <= 0.5 <= found.left_high else ": voters prefer a side"
        said.append(
            f"The left picture was preferred in {percent(_share(found.left))} of the votes that "
            f"were no ties ({percent(_share(found.left_low))} to "
            f"{percent(_share(found.left_high))}){more}."
        )
    return said


def not_counted(anew: int, others: int, unreadable: int) -> tuple[str, ...]:
    """Which votes do not count."""
    said = [
        (anew, "vote", "not counted: a picture was drawn anew since"),
        (others, "vote", "not counted: on no pair of these settings"),
        (unreadable, "line", "of votes.jsonl cannot be read"),
    ]
    return tuple(f"{pluralize(count, noun)} {end}" for count, noun, end in said if count)


def _share(share: float) -> float:
    return round(share, 2)
