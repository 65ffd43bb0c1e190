"""A comparison within strata as tables of short texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from runner.analysis.comparison.findings import MetricRows, Row, Verdict
from runner.analysis.comparison.labels import (
    axis_names,
    format_choice,
    one_line,
    percent,
    values_of,
)
from runner.analysis.comparison.tables import (
    Column,
    Line,
    Table,
    decimals_for,
    difference_texts,
    format_number,
)
from runner.analysis.within.findings import Interaction, Within, WithinMetric

ALL = "all"
"""The stratum of the overall rows."""


def heading(within: Within) -> str:
    """One line: what is compared with which baseline, within what."""
    overall = within.overall
    keys, strata = (", ".join(map(one_line, axes)) for axes in (overall.by, within.within))
    where = f", where {' '.join(map(one_line, within.where))}" if within.where else ""
    return (
        f"{one_line(overall.name)} by {keys}, within {strata}{where}; "
        f"baseline {format_choice(overall.baseline)}"
    )


def compared_rows(metric: WithinMetric) -> Iterator[tuple[Mapping[str, str] | None, Row]]:
    """Each row with a difference, by stratum; then those over all strata, with None."""
    parts: list[tuple[Mapping[str, str] | None, MetricRows]] = [
        (stratum.values, stratum.rows) for stratum in metric.strata
    ]
    for values, rows in [*parts, (None, metric.overall)]:
        yield from ((values, row) for row in rows.rows if row.difference is not None)


def tables(within: Within, *, every_axis: bool) -> list[Table]:
    """Of each metric the differences, the tests of interaction, and the differences by prompt.

    Args:
        every_axis: a column for each axis; else a narrow table.
    """
    found = []
    for name, metric in within.metrics.items():
        found += [
            _differences(within, name, metric, every_axis),
            *([_interactions(within, name, metric)] if metric.interactions else []),
            *([_prompts(within, name, metric)] if metric.prompts else []),
        ]
    return found


def _differences(within: Within, name: str, metric: WithinMetric, every_axis: bool) -> Table:
    by, strata = within.overall.by, within.within
    rows = list(compared_rows(metric))
    decimals = _decimals([row for _, row in rows])
    lines = []
    for values, row in rows:
        here = [ALL] * len(strata) if values is None else values_of(values, strata)
        setting = values_of(row.choice, by)
        if not every_axis:
            here, setting = [ALL if values is None else ", ".join(here)], [", ".join(setting)]
        verdict = "" if row.verdict is Verdict.none else row.verdict.value
        texts = difference_texts(row, decimals)
        lines.append(Line((*here, *setting, str(row.pairs), *texts, verdict), row.verdict))
    axes = [axis_names(strata), axis_names(by)]
    headings = [h for names in axes for h in (names if every_axis else [", ".join(names)])]
    level = f"joint {percent(within.overall.confidence)}"
    columns = [Column(text, False) for text in headings]
    columns += [Column("pairs"), Column("difference"), Column(level), Column("verdict", False)]
    direction = f" ({metric.better} is better)" if metric.better else ""
    return Table(f"{one_line(name)}{direction}", tuple(columns), tuple(lines), None)


def _interactions(within: Within, name: str, metric: WithinMetric) -> Table:
    columns = (
        Column(", ".join(axis_names(within.overall.by)), False), Column("strata"),
        Column("blocks"), Column("F"), Column("p"), Column("depends on the stratum", False),
    )  # fmt: skip
    lines = [
        Line(
            (
                ", ".join(values_of(one.choice, within.overall.by)), str(one.strata),
                str(one.blocks), _statistic(one), _p(one.p_adjusted), answer(one),
            ),
            Verdict.none,
        )
        for one in metric.interactions
    ]  # fmt: skip
    return Table(f"{one_line(name)}: interaction", columns, tuple(lines), None)


def answer(found: Interaction) -> str:
    """Whether the difference depends on the stratum, in words."""
    if found.differs is None:
        return "one stratum" if found.strata < 2 else Verdict.too_few.value
    return "yes" if found.differs else "not shown"


def _statistic(found: Interaction) -> str:
    return "" if found.statistic is None else f"{found.statistic:.3g}"


def _p(p: float | None) -> str:
    return "" if p is None else f"{p:.2g}"


def _prompts(within: Within, name: str, metric: WithinMetric) -> Table:
    by = within.overall.by
    decimals = _decimals([row for _, row in compared_rows(metric)])
    columns = (
        Column("prompt", False), Column(", ".join(axis_names(by)), False), Column("pairs"),
        Column("baseline"), Column("mean"), Column("difference"),
    )  # fmt: skip
    lines = [
        Line(
            (
                one_line(row.prompt), ", ".join(values_of(row.choice, by)), str(row.pairs),
                format_number(row.baseline_mean, decimals), format_number(row.mean, decimals),
                format_number(row.difference, decimals, "+"),
            ),
            Verdict.none,
        )
        for row in metric.prompts
    ]  # fmt: skip
    return Table(f"{one_line(name)}: by prompt", columns, tuple(lines), None)


def _decimals(rows: Sequence[Row]) -> int | None:
    # The means' intervals are much wider, and not shown.
    return decimals_for([replace(row, mean_low=None, mean_high=None) for row in rows])
