"""Notes on how to read a comparison, and warnings about what it lacks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from runner.analysis.comparison.findings import MetricRows, Verdict
from runner.analysis.comparison.labels import format_choice, one_line, percent
from runner.analysis.comparison.pairing import (
    ENOUGH_PROMPTS,
    PICTURE_AXES,
    Setting,
    having,
    paired_by_place,
    unfinished,
)
from runner.analysis.results import SweepResult
from runner.analysis.timing import NOT_MEASURED, TO_MEASURE
from runner.config.measuring import SECONDS
from runner.system.text import pluralize

TOO_FEW = "Too few pairs"
"""How the note begins that says why there is no verdict."""


class Method(str):
    """A note on how numbers are computed, which is the same of any sweep: the files have it, a
    terminal only where it is asked for.
    """

    __slots__ = ()


def paired(by: Sequence[str]) -> Method:
    """How a difference is computed."""
    same = "at the same places of their cells" if paired_by_place(by) else "of one prompt and seed"
    return Method(f"Differences are picture by picture, {same}: setting minus baseline.")


def by_what_is_named(results: SweepResult, by: Sequence[str]) -> list[str]:
    """Which axes make a setting, where the baseline left some open."""
    others = [axis for axis in results.axes if axis not in by and axis not in PICTURE_AXES]
    if not others:
        return []
    return [
        f"The baseline names {', '.join(map(one_line, by))} alone: all is compared at equal "
        f"{', '.join(map(one_line, others))}."
    ]


def drawn(
    found: Iterable[MetricRows], confidence: float, prompts: int, whole_prompts: bool
) -> Method:
    """How an interval is computed."""
    most = max((rows.compared for rows in found), default=0)
    blocks = f" together, {prompts} prompts" if whole_prompts else " and seed together"
    together = (
        f"; simultaneous for {most} settings (Bonferroni), within a metric" if most > 1 else ""
    )
    return Method(
        f"{percent(confidence)} intervals by BCa bootstrap, widened for small samples"
        f"{together}. Resampled are all pictures of a prompt{blocks}."
    )


def few_prompts(prompts: int, whole_prompts: bool) -> list[str]:
    """What a comparison of few prompts says nothing of."""
    if whole_prompts:
        return []
    return [
        f"With {pluralize(prompts, 'prompt')}, fewer than {ENOUGH_PROMPTS}, what is found holds "
        "for these alone."
    ]


def too_few(found: Iterable[MetricRows], confidence: float, whole_prompts: bool) -> list[str]:
    """Why there are rows without a verdict."""
    few = [rows for rows in found if any(row.verdict is Verdict.too_few for row in rows.rows)]
    if not few:
        return []
    return [fewest(max(rows.compared for rows in few), confidence, whole_prompts)]


def fewest(compared: int, confidence: float, whole_prompts: bool) -> str:
    """How many blocks a verdict takes if so many differences hold together."""
    needed = math.ceil(1 - math.log2((1 - confidence) / max(1, compared)))
    what = "prompts" if whole_prompts else "pairs of a prompt and seed"
    return (
        f"{TOO_FEW}: with fewer than {needed} {what}, chance alone gives all of them one sign too "
        "often."
    )


def whole_cells(settings: Sequence[Setting], metrics: Sequence[str]) -> list[str]:
    """Which metrics are of whole cells, not of single pictures."""
    found = [
        one_line(metric)
        for metric in metrics
        if any(metric in own.scores for setting in settings for own in setting.whole.values())
    ]
    if not found:
        return []
    return [f"Of all pictures of a cell together, so n and pairs count cells: {', '.join(found)}."]


def unlike(settings: Sequence[Setting], metrics: Sequence[str]) -> list[str]:
    """Which means are of different sets of pictures."""
    unlike = [
        one_line(metric)
        for metric in metrics
        if len({frozenset(found) for own in settings if (found := having(own, metric))}) > 1
    ]
    if not unlike:
        return []
    return [
        f"Not every setting has the same pictures measured ({', '.join(unlike)}): their means are "
        "of different ones, the differences of those that are the same."
    ]


def never_paired(
    results: SweepResult, by: Sequence[str], settings: Sequence[Setting], baseline: Setting
) -> list[str]:
    """Which settings have no pair with the baseline, in a sweep that is no product of its axes."""
    said = []
    for setting in settings:
        if setting is baseline or setting.pictures.keys() & baseline.pictures.keys():
            continue
        apart = [
            axis
            for axis in results.axes
            if axis not in (*by, *PICTURE_AXES)
            and not _values(results, axis, setting) & _values(results, axis, baseline)
        ]
        if apart:
            said.append(
                f"{format_choice(setting.choice)} has no pair with the baseline: no cell of it has "
                f"the same {' and '.join(map(one_line, apart))}. To compare them all the same: "
                f"--by {' '.join(map(one_line, (*by, *apart)))}."
            )
    return said


def _values(results: SweepResult, axis: str, setting: Setting) -> set[str | None]:
    """An axis's values in the cells of a setting."""
    return {
        cell.choice.get(axis)
        for cell in results.cells
        if setting.choice.items() <= cell.choice.items()
    }


def seconds(results: SweepResult) -> list[str]:
    """How the seconds were measured, or why they were not."""
    if results.unmeasured:
        return [f"Seconds are {NOT_MEASURED}: {results.unmeasured}; {TO_MEASURE}."]
    if SECONDS not in results.better:
        return []
    if all(image.record.repeats for image in results.images()):
        return ["Seconds are medians of repeated runs (bench=true)."]
    return [
        "Seconds are of one run each, without first calls, which warm up; other programs of the "
        "machine may have slowed some; bench=true repeats them."
    ]


def left_out(settings: Iterable[Setting]) -> list[str]:
    """How many numbers were left out because they are not finite."""
    counts: Counter[str] = Counter()
    for setting in settings:
        counts.update(setting.left_out)
    return [
        f"{pluralize(count, 'number')} of {one_line(metric)} left out: not finite"
        for metric, count in counts.items()
    ]


def missing(results: SweepResult) -> list[str]:
    """Which cells, pictures or numbers are missing so far."""
    open_ones = unfinished(results)
    if not open_ones:
        return []
    statuses = Counter(cell.status for cell in open_ones)
    said = ", ".join(f"{count} {status}" for status, count in statuses.items())
    of_all = pluralize(len(results.cells), "cell")
    return [f"{len(open_ones)} of {of_all} not finished ({said}): compared as far as they went"]
