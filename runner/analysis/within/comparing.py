"""Compares settings within strata: the difference in each, over all, and whether it depends.

Over all strata the estimate is the mean of all paired differences, so a stratum weighs by its
pairs: a fixed effect, which speaks of these strata and no others. Its interval is that of
`compare`: whole prompts are resampled, each with its pictures of all strata, since these share
their prompt and noise and are no independent witnesses (cluster bootstrap; Davison and Hinkley
1997, Bootstrap Methods and their Application, section 3.8).

Three questions are asked of a metric, and each holds at its own confidence (Bonferroni): all
differences within strata together, all differences over them together, all tests of interaction
together.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from runner.analysis.comparison.baseline import named_axes, with_keys
from runner.analysis.comparison.comparing import RowBuilder, blocks_named, compare
from runner.analysis.comparison.pairing import (
    ENOUGH_PROMPTS,
    PICTURE_AXES,
    Sample,
    Setting,
    compared_axes,
    differences,
    settings_of,
)
from runner.analysis.comparison.statistics import Numbers, blocks_of, can_decide
from runner.analysis.costs import Better
from runner.analysis.results import SweepResult
from runner.analysis.selecting import strata_of
from runner.analysis.within import notes
from runner.analysis.within.findings import Interaction, PromptRow, Stratum, Within, WithinMetric
from runner.analysis.within.interaction import interaction
from runner.errors import ConfigError
from runner.system.text import with_near


def compare_within(
    results: SweepResult,
    within: Sequence[str],
    *,
    by: Sequence[str] | None = None,
    baseline: Sequence[str] | None = None,
    confidence: float = 0.95,
    metrics: Sequence[str] | None = None,
    where: Sequence[str] = (),
) -> Within:
    """Compare settings with a baseline within each stratum.

    Args:
        within: the axes that make a stratum.
        by: the axes that make a setting; None: those that the baseline names, else all others
            but prompt and seed.
        baseline, confidence, metrics: as in `compare`.
        where: the values by which `results` were selected, for the record.

    Raises:
        ConfigError: there is nothing to compare, or an argument does not fit the sweep.
    """
    baseline = with_keys(results, by, baseline)
    axes = _settings_axes(results, within, by, named_axes(results, baseline))
    within = _checked(results, within, axes, where)
    overall = compare(results, by=axes, baseline=baseline, confidence=confidence, metrics=metrics)
    settings = settings_of(results, axes)
    (chosen,) = (own for own in settings if own.choice == overall.baseline)
    prompts = len({picture.prompt for picture in chosen.pictures.values()})
    whole_prompts = prompts >= ENOUGH_PROMPTS
    compared = _Within(
        [_part(*one, axes, overall.baseline) for one in strata_of(results, within)],
        whole_prompts=whole_prompts,
        missing=1 - confidence,
    )
    found = {
        name: WithinMetric(
            rows.better,
            rows,
            compared.strata(name, rows.better),
            compared.interactions(name, [row.choice for row in rows.rows if row.pairs]),
            _by_prompt(settings, chosen, name),
        )
        for name, rows in overall.metrics.items()
    }
    lacking = [part.values for part in compared.parts if part.baseline is None]
    said = notes.of(overall, found, within, where, lacking, whole_prompts)
    return Within(overall, within, tuple(where), said, found, results.sweeps)


def _settings_axes(
    results: SweepResult, within: Sequence[str], by: Sequence[str] | None, named: Sequence[str]
) -> tuple[str, ...]:
    """The axes that make a setting. Raises ConfigError where none is left."""
    if by is not None:
        return compared_axes(results, by)
    axes = [axis for axis in named or results.axes if axis not in (*within, *PICTURE_AXES)]
    if not axes:
        raise ConfigError("by", None, "no axis is left to compare", list(results.axes))
    return tuple(axes)


def _checked(
    results: SweepResult, within: Sequence[str], by: Sequence[str], where: Sequence[str]
) -> tuple[str, ...]:
    """The axes of strata. Raises ConfigError."""
    allowed = [axis for axis in results.axes if axis not in (*by, *PICTURE_AXES)]
    said = allowed or "a sweep over one more key"
    for axis in within:
        if axis in by:
            raise ConfigError("within", axis, "is what is compared (by)", said)
        if axis in PICTURE_AXES:
            problem = "is no stratum: prompts and seeds are what pictures are paired by"
            raise ConfigError("within", axis, problem, said)
        if axis not in allowed and any(text.startswith(f"{axis}=") for text in where):
            raise ConfigError("within", axis, "is one stratum alone: where leaves one value", said)
        if axis not in allowed:
            raise ConfigError(
                "within", axis, with_near("is no axis of this sweep", axis, said), said
            )
    if not within:
        raise ConfigError("within", None, "names no axis", said)
    return tuple(dict.fromkeys(within))


@dataclass(frozen=True)
class _Part:
    """A stratum: its settings, and which of them is the baseline; None: it has none."""

    values: Mapping[str, str]
    settings: Sequence[Setting]
    baseline: Setting | None

    def sample(self, choice: Mapping[str, str], metric: str) -> Sample:
        """The differences of a setting; none where it, or the baseline, is not there."""
        found = next((own for own in self.settings if own.choice == choice), None)
        if found is None or self.baseline is None or found is self.baseline:
            return Sample()
        return differences(found, self.baseline, metric)


def _part(
    values: Mapping[str, str], cells: SweepResult, by: Sequence[str], baseline: Mapping[str, str]
) -> _Part:
    settings = [setting for setting in settings_of(cells, by) if setting.pictures]
    return _Part(values, settings, next((s for s in settings if s.choice == baseline), None))


class _Within:
    """Finds of each metric what holds within strata, and whether it depends on them."""

    def __init__(self, parts: Sequence[_Part], *, whole_prompts: bool, missing: float) -> None:
        self.parts = parts
        self._whole_prompts = whole_prompts
        self._missing = missing

    def strata(self, metric: str, better: Better) -> tuple[Stratum, ...]:
        """The rows of each stratum; their intervals hold for all strata together."""
        together = sum(
            1 for part in self.parts for s in part.settings if part.sample(s.choice, metric).values
        )
        found = []
        for part in self.parts:
            rows = RowBuilder(part.settings, part.baseline, self._whole_prompts, self._missing)
            found.append(Stratum(part.values, rows.of(metric, better, together)))
        return tuple(found)

    def interactions(
        self, metric: str, choices: Sequence[Mapping[str, str]]
    ) -> tuple[Interaction, ...]:
        """For each setting whether its difference depends on the stratum."""
        return tuple(self._interaction(metric, choice, len(choices)) for choice in choices)

    def _interaction(self, metric: str, choice: Mapping[str, str], together: int) -> Interaction:
        samples = [part.sample(choice, metric) for part in self.parts]
        table = self._table([sample for sample in samples if sample.values])
        blocks, strata = table.shape
        missing = self._missing / together
        if strata < 2 or not can_decide(blocks, missing):
            return Interaction(choice, strata, blocks, None, None, None, None, None, None)
        test = interaction(table)
        return Interaction(
            choice, strata, blocks, test.statistic, test.between, test.within, test.p,
            min(1.0, test.p * together), test.p <= missing,
        )  # fmt: skip

    def _table(self, samples: Sequence[Sample]) -> Numbers:
        """[blocks, strata], means of the blocks that all strata have."""
        means: list[dict[Hashable, float]] = []
        for sample in samples:
            names = blocks_named(sample, self._whole_prompts)
            summed = blocks_of(sample.values, names)
            each = (summed.sums / summed.counts).tolist()
            means.append(dict(zip(dict.fromkeys(names), each, strict=True)))
        common = [name for name in means[0] if all(name in own for own in means)] if means else []
        rows = [[own[name] for own in means] for name in common]
        return np.array(rows, dtype=np.float64).reshape(len(common), len(samples))


def _by_prompt(
    settings: Sequence[Setting], baseline: Setting, metric: str
) -> tuple[PromptRow, ...]:
    """The differences of each prompt, in the order of the baseline's pictures; none for a metric
    of whole cells.
    """
    theirs = {unit: own for unit, own in baseline.pictures.items() if metric in own.scores}
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for unit, own in theirs.items():
        for place, setting in enumerate(settings):
            picture = setting.pictures.get(unit)
            if setting is not baseline and picture is not None and metric in picture.scores:
                pair = (own.scores[metric], picture.scores[metric])
                found.setdefault((own.prompt, place), []).append(pair)
    rows = []
    for (prompt, place), pairs in found.items():
        before, after = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
        rows.append(
            PromptRow(prompt, settings[place].choice, len(pairs), before, after, after - before)
        )
    return tuple(rows)
