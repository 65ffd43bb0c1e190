"""A comparison as tables of short texts, for terminal, Markdown and LaTeX alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from runner.analysis.comparison.findings import Comparison, MetricRows, Row, Verdict
from runner.analysis.comparison.labels import (
    axis_names,
    format_choice,
    one_line,
    percent,
    shorten,
    values_of,
)
from runner.analysis.comparison.pareto import Point

MOST_DECIMALS = 6
LONGEST = 60
"""Most characters of a setting within a sentence."""


@dataclass(frozen=True)
class Column:
    """A heading, and whether the column holds numbers."""

    heading: str
    numeric: bool = True


@dataclass(frozen=True)
class Line:
    """A row's texts, and its verdict, which may give it a colour."""

    cells: tuple[str, ...]
    verdict: Verdict


@dataclass(frozen=True)
class Table:
    """The table of one metric.

    Attributes:
        title: the metric and its direction.
        front: one line on the Pareto front; None where it cannot be computed.
    """

    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    front: str | None


def heading(comparison: Comparison) -> str:
    """One line: what is compared with which baseline."""
    keys = ", ".join(map(one_line, comparison.by))
    return f"{one_line(comparison.name)} by {keys}; baseline {format_choice(comparison.baseline)}"


def tables(comparison: Comparison, *, every_axis: bool) -> list[Table]:
    """One table per metric.

    Args:
        every_axis: a column per axis, and the means' intervals also where there are differences;
            else a narrow table, with a setting's values in one column.
    """
    return [_table(comparison, name, rows, every_axis) for name, rows in comparison.metrics.items()]


def _table(comparison: Comparison, metric: str, rows: MetricRows, every_axis: bool) -> Table:
    names = axis_names(comparison.by)
    compared = any(row.difference is not None for row in rows.rows)
    level = percent(comparison.confidence)
    decimals = decimals_for(rows.rows)

    def number(value: float | None, sign: str = "") -> str:
        return "" if value is None else format_number(value, decimals, sign)

    def interval(low: float | None, high: float | None) -> str:
        return "" if low is None or high is None else f"[{number(low)}, {number(high)}]"

    columns = [Column(name, False) for name in (names if every_axis else [", ".join(names)])]
    columns += [Column("n"), Column("mean")]
    if every_axis or not compared:
        columns.append(Column(level))
    if compared:
        simultaneous = f"simultaneous {level}" if rows.compared > 1 else level
        columns += [Column("pairs")] if every_axis else []
        columns += [Column("difference"), Column(simultaneous), Column("verdict", False)]
    lines = []
    for row in rows.rows:
        values = values_of(row.choice, comparison.by)
        cells = [*(values if every_axis else [", ".join(values)]), str(row.n), number(row.mean)]
        if every_axis or not compared:
            cells.append(interval(row.mean_low, row.mean_high))
        if compared:
            cells += [str(row.pairs) if row.pairs else ""] if every_axis else []
            verdict = "" if row.verdict is Verdict.none else row.verdict.value
            cells += [*difference_texts(row, decimals), verdict]
        lines.append(Line(tuple(cells), row.verdict))
    direction = f" ({rows.better} is better)" if rows.better else ""
    points = comparison.pareto.get(metric, ())
    return Table(
        title=f"{one_line(metric)}{direction}",
        columns=tuple(columns),
        lines=tuple(lines),
        front=_front(points, comparison.by, decimals),
    )


def _front(points: Sequence[Point], by: Sequence[str], decimals: int | None) -> str | None:
    front = sorted((point for point in points if point.on_front), key=lambda point: point.seconds)
    if len(points) < 2:
        return None
    each = [
        f"{shorten(', '.join(values_of(point.choice, by)), LONGEST)} "
        f"({format_number(point.quality, decimals)} in {point.seconds:.3g} s)"
        for point in front
    ]
    beaten = len(points) - len(front)
    others = f"; {beaten} beaten" if beaten else ""
    return f"Worth their seconds: {'; '.join(each)}{others}"


def difference_texts(row: Row, decimals: int | None) -> tuple[str, str]:
    """A row's difference and its interval; a decided difference is never rounded to zero."""
    ends = [end for end in (row.low, row.high) if end is not None]
    if decimals is not None and row.verdict in (Verdict.better, Verdict.worse):
        nearest = min(map(abs, ends))
        decimals = max(decimals, 1 - math.floor(math.log10(nearest)))
        decimals = decimals if decimals <= MOST_DECIMALS else None
    low_high = ", ".join(format_number(end, decimals, "+") for end in ends)
    difference = "" if row.difference is None else format_number(row.difference, decimals, "+")
    return difference, f"[{low_high}]" if ends else ""


def decimals_for(rows: Sequence[Row]) -> int | None:
    """Decimals that show two digits of a typical half interval; None: too many for a table."""
    halves = sorted(
        half
        for row in rows
        for low, high in ((row.low, row.high), (row.mean_low, row.mean_high))
        if low is not None and high is not None and (half := (high - low) / 2) > 0
    )
    if halves:
        digit = 1 - math.floor(math.log10(halves[len(halves) // 2]))
    else:
        largest = max((abs(row.mean) for row in rows), default=0.0)
        digit = 3 - math.floor(math.log10(largest)) if largest > 0 else 1
    return max(0, digit) if digit <= MOST_DECIMALS else None


def format_number(value: float, decimals: int | None, sign: str = "") -> str:
    """A number with so many decimals, or three digits; `sign` is "+" to show a plus sign."""
    if decimals is None or abs(value) >= 1e9:
        return f"{value:{sign}.3g}"
    text = f"{value:{sign}.{decimals}f}"
    # No "-0.00".
    return text if float(text) else f"{0:.{decimals}f}"
