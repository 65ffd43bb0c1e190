"""Compares a sweep's settings with a baseline: paired differences, intervals, verdicts."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from runner.analysis.comparison import notes
from runner.analysis.comparison.baseline import baseline_among, named_axes, with_keys
from runner.analysis.comparison.findings import Comparison, MetricRows, Row, Verdict
from runner.analysis.comparison.pairing import (
    ENOUGH_PROMPTS,
    Sample,
    Setting,
    compared_axes,
    differences,
    having,
    numbers,
    settings_of,
)
from runner.analysis.comparison.pareto import points
from runner.analysis.comparison.statistics import Blocks, Interval, blocks_of, can_decide, intervals
from runner.analysis.costs import EXACT, Better
from runner.analysis.results import SweepResult
from runner.analysis.timing import NOT_MEASURED
from runner.config.measuring import JOULES, SECONDS, SPEED
from runner.errors import ConfigError

OF_TIME = (SECONDS, SPEED, JOULES)
"""Costs that no plot shows as a quality against the seconds."""


def compare(
    results: SweepResult,
    *,
    by: Sequence[str] | None = None,
    baseline: Sequence[str] | None = None,
    confidence: float = 0.95,
    metrics: Sequence[str] | None = None,
) -> Comparison:
    """Compare the settings of a sweep, finished or not.

    Args:
        by: the axes that make a setting; None: those that the baseline names, so that all
            other axes are equal within a pair; else all but prompt and seeds.
        baseline: overrides that say which setting is the baseline; None: the sweep's own.
        metrics: by name; "blueness" means all numbers of that metric. None: all.

    Raises:
        ConfigError: there is nothing to compare, or an argument does not fit the sweep.
    """
    if not 0 < confidence < 1:
        raise ConfigError("confidence", confidence, "is no share", "between 0 and 1, as 0.95")
    if len(results.cells) < 2:
        problem = "has a single cell: there is nothing to compare it with"
        allowed = "the folder of a sweep; `kandinsky sweeps` lists them"
        raise ConfigError("folder", results.folder, problem, allowed)
    baseline = with_keys(results, by, baseline)
    named = named_axes(results, baseline)
    axes = compared_axes(results, by if by is not None else named or None)
    settings = settings_of(results, axes)
    names = _chosen(results, metrics)
    chosen, assumed = baseline_among(settings, axes, results, baseline)
    settings = [setting for setting in settings if setting.pictures]
    prompts = len({picture.prompt for picture in chosen.pictures.values()})
    whole_prompts = prompts >= ENOUGH_PROMPTS
    rows = RowBuilder(settings, chosen, whole_prompts, 1 - confidence)
    found = {name: rows.of(name, results.better[name]) for name in names}
    directed = [n for n in names if results.better[n] is not None and n not in OF_TIME]
    said = [
        *([f"Baseline: {assumed}."] if assumed else []),
        *(notes.by_what_is_named(results, axes) if by is None and named else []),
        notes.paired(axes),
        notes.drawn(found.values(), confidence, prompts, whole_prompts),
        *notes.few_prompts(prompts, whole_prompts),
        *notes.too_few(found.values(), confidence, whole_prompts),
        *notes.whole_cells(settings, names),
        *notes.unlike(settings, names),
        *notes.never_paired(results, axes, settings, chosen),
        *notes.seconds(results),
    ]
    warnings = (*notes.missing(results), *notes.left_out(settings))
    return Comparison(
        name=results.name,
        of=results.digest,
        by=axes,
        baseline=chosen.choice,
        confidence=confidence,
        notes=(*said, *(f"{warning[0].upper()}{warning[1:]}." for warning in warnings)),
        warnings=warnings,
        metrics={name: each for name, each in found.items() if each.rows},
        pareto={name: points(settings, name, results.better[name]) for name in directed},
        unmeasured={SECONDS: results.unmeasured} if results.unmeasured else {},
    )


def _chosen(results: SweepResult, metrics: Sequence[str] | None) -> list[str]:
    known = results.better
    if not known and not results.unmeasured:
        raise ConfigError("folder", results.folder, "nothing was measured there yet")
    if metrics is None:
        return list(known)
    for asked in metrics:
        if asked == SECONDS and results.unmeasured:
            problem = f"was {NOT_MEASURED}: {results.unmeasured}"
            raise ConfigError("metrics", asked, problem, [*known, f"{SECONDS} with bench=true"])
        if not any(asked in (name, name.partition(".")[0]) for name in known):
            raise ConfigError("metrics", asked, "was not measured here", known)
    return [name for name in known if name in metrics or name.partition(".")[0] in metrics]


class RowBuilder:
    """Builds the rows of each metric against one baseline; None: nothing is compared."""

    def __init__(
        self,
        settings: Sequence[Setting],
        baseline: Setting | None,
        whole_prompts: bool,
        missing: float,
    ) -> None:
        self._settings = settings
        self._baseline = baseline
        self._whole_prompts = whole_prompts
        self._missing = missing

    def of(self, metric: str, better: Better, together: int | None = None) -> MetricRows:
        """A row for each setting that has numbers of the metric.

        Args:
            together: how many differences the intervals hold for; None: those of these rows.
        """
        measured = [setting for setting in self._settings if having(setting, metric)]
        means = [self._blocks(numbers(setting, metric)) for setting in measured]
        paired = [
            Sample()
            if self._baseline is None or setting is self._baseline
            else differences(setting, self._baseline, metric)
            for setting in measured
        ]
        compared = together or sum(1 for sample in paired if sample.values)
        # Bonferroni: all intervals together miss no more often than one alone would.
        missing = self._missing / max(1, compared)
        blocks = [self._blocks(sample) for sample in paired]
        ends = (
            [Interval(each.mean, each.mean) if len(each) else None for each in (*means, *blocks)]
            if metric in EXACT
            else intervals(
                [*means, *blocks],
                [self._missing] * len(means) + [missing] * len(blocks),
            )
        )
        rows = []
        for place, setting in enumerate(measured):
            mean, difference = ends[place], ends[len(measured) + place]
            sample, block = paired[place], blocks[place]
            rows.append(
                Row(
                    choice=setting.choice,
                    n=int(means[place].counts.sum()),
                    mean=means[place].mean,
                    mean_low=mean.low if mean else None,
                    mean_high=mean.high if mean else None,
                    pairs=len(sample.values),
                    difference=block.mean if sample.values else None,
                    low=difference.low if difference else None,
                    high=difference.high if difference else None,
                    verdict=Verdict.baseline
                    if setting is self._baseline
                    else self._verdict(metric, better, block, difference, missing),
                )
            )
        return MetricRows(better, tuple(rows))

    def _blocks(self, sample: Sample) -> Blocks:
        return blocks_of(sample.values, blocks_named(sample, self._whole_prompts))

    def _verdict(
        self, metric: str, better: Better, blocks: Blocks, ends: Interval | None, missing: float
    ) -> Verdict:
        if better is None or self._baseline is None or not having(self._baseline, metric):
            return Verdict.none
        if metric not in EXACT and not can_decide(len(blocks), missing):
            return Verdict.too_few
        if ends is None or ends.low <= 0 <= ends.high:
            return Verdict.undecided
        return Verdict.better if (ends.low > 0) == (better == "higher") else Verdict.worse


def blocks_named(sample: Sample, whole_prompts: bool) -> list[Hashable]:
    """The block that each number belongs to: its prompt, or its prompt and seed."""
    # Also where single pictures are resampled: those of one prompt and seed, from several cells,
    # began with the same noise.
    seeds: Iterable[int | None] = [None] * len(sample.seeds) if whole_prompts else sample.seeds
    return list(zip(sample.prompts, seeds, strict=True))
