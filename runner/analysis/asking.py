"""Asks a sweep which setting is better, within strata or not; and what each answer can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from runner.analysis.comparison import tables, terminal, writing
from runner.analysis.comparison.baseline import named_axes
from runner.analysis.comparison.comparing import compare
from runner.analysis.comparison.findings import Comparison
from runner.analysis.results import SweepResult
from runner.analysis.selecting import select
from runner.analysis.within import tables as within_tables
from runner.analysis.within import writing as within_writing
from runner.analysis.within.comparing import compare_within
from runner.analysis.within.findings import Within

Answer: TypeAlias = Comparison | Within


@dataclass(frozen=True)
class Views:
    """How an answer of one kind is looked at, and written."""

    heading: Callable[[Any], str]
    tables: Callable[..., list[tables.Table]]
    as_csv: Callable[[Any], str]
    show: Callable[..., None]
    write: Callable[..., list[Path]]
    texts_in_plots: Callable[[Any], Iterable[str]]


VIEWS: dict[type[Answer], Views] = {
    Comparison: Views(
        tables.heading, tables.tables, writing.as_csv, terminal.show, writing.write,
        writing.texts_in_plots,
    ),
    Within: Views(
        within_tables.heading, within_tables.tables, within_writing.as_csv, within_writing.show,
        within_writing.write, within_writing.texts_in_plots,
    ),
}  # fmt: skip


def ask(
    results: SweepResult,
    *,
    within: Sequence[str] | None = None,
    where: Sequence[str] = (),
    by: Sequence[str] | None = None,
    baseline: Sequence[str] | None = None,
    confidence: float = 0.95,
    metrics: Sequence[str] | None = None,
) -> Answer:
    """Compare the settings of a sweep, finished or not: see `compare` and `compare_within`.

    Args:
        within: the axes that make a stratum; None: all pictures are of one.
        where: only the cells with these values: see `select`.

    Raises:
        ConfigError: there is nothing to compare, or an argument does not fit the sweep.
    """
    cells = select(results, where) if where else results
    if within is None:
        return compare(cells, by=by, baseline=baseline, confidence=confidence, metrics=metrics)
    return compare_within(
        cells, within, where=where, by=by, baseline=baseline, confidence=confidence, metrics=metrics
    )


def is_another(answer: Answer, results: SweepResult) -> bool:
    """Whether an answer is to another question than that of the sweep's own config, where it names
    a baseline.
    """
    if not named_axes(results, None):
        return False
    own = compare(results, metrics=())
    whole = answer.overall if isinstance(answer, Within) else answer
    asked = (answer.by, answer.baseline, whole.confidence)
    return asked != (own.by, own.baseline, own.confidence)
