"""Notes on how to read a comparison within strata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.analysis.comparison.findings import Comparison, Verdict
from runner.analysis.comparison.labels import format_choice, one_line, percent
from runner.analysis.comparison.notes import TOO_FEW, Method, fewest
from runner.analysis.within.findings import WithinMetric
from runner.system.text import pluralize


def of(
    overall: Comparison,
    metrics: Mapping[str, WithinMetric],
    within: Sequence[str],
    where: Sequence[str],
    lacking: Sequence[Mapping[str, str]],
    whole_prompts: bool,
) -> tuple[str, ...]:
    """One or two sentences each; those of the overall comparison come first.

    Args:
        lacking: the strata without the baseline.
        whole_prompts: whether whole prompts are resampled, not pairs of prompt and seed.
    """
    level = percent(overall.confidence)
    most = max(
        (sum(part.rows.compared for part in metric.strata) for metric in metrics.values()),
        default=0,
    )
    few = any(
        row.verdict is Verdict.too_few
        for metric in metrics.values()
        for part in metric.strata
        for row in part.rows.rows
    )
    said = [f"Only cells with {' '.join(map(one_line, where))}."] if where else []
    # What is too few overall is too few for strata, which take more.
    said += [note for note in overall.notes if not (few and note.startswith(TOO_FEW))]
    said += [
        *map(Method, _methods(within, level, most)),
    ]
    if lacking:
        names = "; ".join(map(format_choice, lacking))
        said.append(f"The baseline has no picture in: {names}.")
    if few:
        said.append(fewest(most, overall.confidence, whole_prompts))
    return tuple(said)


def _methods(within: Sequence[str], level: str, most: int) -> list[str]:
    """How the numbers are computed.

    Args:
        most: differences that hold together.
    """
    return [
        f"A stratum is a choice of {', '.join(map(one_line, within))}. Within strata the {level} "
        f"intervals hold for {pluralize(most, 'difference')} together (Bonferroni), within a "
        "metric.",
        "Overall is the mean of all pairs, whichever stratum they are of: a fixed effect, which "
        "speaks of these strata alone.",
        "Interaction: whether the difference depends on the stratum, by a repeated-measures "
        "analysis of variance over the strata of each block, with the degrees of freedom of "
        "Greenhouse and Geisser; p is adjusted for the settings of a metric (Bonferroni). "
        "What is not shown may be there all the same.",
        "By prompt: what the pictures have, without a test.",
    ]
