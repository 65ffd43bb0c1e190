"""The forest plot of a metric: a difference and its interval a row. Imports matplotlib."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from runner.analysis.comparison.findings import Row, Verdict
from runner.analysis.comparison.labels import (
    axis_names,
    format_choice,
    one_line,
    shorten,
    values_of,
)
from runner.analysis.figure_config import FigureConfig, config_of
from runner.analysis.lettering import drawable
from runner.analysis.plot_files import drawing_with, plot_files
from runner.analysis.within.findings import Within, WithinMetric
from runner.analysis.within.tables import ALL, compared_rows

WIDTH, ROW_HEIGHT, ENDS = 7.0, 0.26, 1.3
"""Inches: of the plot, of a row, of title and axis together."""
DOTS = 150
MOST_ROWS = 400
LONGEST = 44
"""Most characters of a label."""
COLOURS = {Verdict.better: "#0a7d38", Verdict.worse: "#b3261e"}
INK, FAINTER, FAINT = "#000000", "#4d4d4d", "#c8c8c8"

Axes: TypeAlias = Any
"""A matplotlib object, untyped for mypy."""


@dataclass(frozen=True)
class _Mark:
    """A row of the plot; `row` is None in a heading."""

    label: str
    row: Row | None = None
    overall: bool = False


def draw_forest(within: Within, name: str, asked: FigureConfig) -> dict[str, bytes]:
    """The plot of a metric, by format; none where it has no row or more than MOST_ROWS.

    Args:
        asked: what the plot's config says besides.
    """
    metric = within.metrics[name]
    marks = list(_marks(within, metric))
    if not 0 < len(marks) <= MOST_ROWS:
        return {}
    words = [*(mark.label for mark in marks), *_words(within, name)]
    config = config_of(
        "forest plot", metric=name, within=within.within, **within.overall.asked, **asked
    )
    with drawing_with(words):
        height = ENDS + ROW_HEIGHT * len(marks)
        figure = Figure((WIDTH, height), dpi=DOTS, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _draw(axes, marks)
        _label(axes, marks, within, name, metric)
        return plot_files(figure, words, config)


def texts_in_forest(within: Within) -> Iterator[str]:
    """What may be written in the plots: values, axes and metrics of users."""
    for name, metric in within.metrics.items():
        yield from _words(within, name)
        yield from (mark.label for mark in _marks(within, metric))


def _words(within: Within, name: str) -> list[str]:
    overall = within.overall
    return [name, *axis_names(overall.by), *axis_names(within.within), _baseline(within)]


def _baseline(within: Within) -> str:
    return drawable(shorten(format_choice(within.overall.baseline), LONGEST))


def _marks(within: Within, metric: WithinMetric) -> Iterator[_Mark]:
    """The rows of each setting, below its name where there are several."""
    rows = list(compared_rows(metric))
    choices: list[str] = []
    for _, row in rows:
        setting = ", ".join(values_of(row.choice, within.overall.by))
        if setting not in choices:
            choices.append(setting)
    for setting in choices:
        if len(choices) > 1:
            yield _Mark(drawable(shorten(setting, LONGEST)))
        for values, row in rows:
            if ", ".join(values_of(row.choice, within.overall.by)) == setting:
                here = ALL if values is None else ", ".join(values_of(values, within.within))
                yield _Mark(drawable(shorten(here, LONGEST)), row, values is None)


def _draw(axes: Axes, marks: Sequence[_Mark]) -> None:
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, mark in enumerate(marks):
        row = mark.row
        if row is None:
            continue
        colour = COLOURS.get(row.verdict, INK)
        if row.low is not None and row.high is not None:
            width = 2.2 if mark.overall else 1.3
            axes.plot([row.low, row.high], [place, place], color=colour, linewidth=width)
        size = 8 if mark.overall else 5
        axes.plot(
            [row.difference], [place], marker="D" if mark.overall else "s", markersize=size,
            color=colour, linestyle="none",
        )  # fmt: skip


def _label(
    axes: Axes, marks: Sequence[_Mark], within: Within, name: str, metric: WithinMetric
) -> None:
    axes.set_ylim(len(marks) - 0.5, -0.5)
    axes.set_yticks(range(len(marks)))
    axes.tick_params(axis="y", length=0)
    texts = axes.set_yticklabels([mark.label for mark in marks])
    for text, mark in zip(texts, marks, strict=True):
        text.set(parse_math=False, fontproperties=FontProperties(size=9))
        # Not bold: not all fonts have that.
        text.set_color(INK if mark.row is None or mark.overall else FAINTER)
    shown = drawable(shorten(one_line(name), LONGEST))
    direction = f" ({metric.better} is better)" if metric.better else ""
    said = f"difference of {shown}{direction} from {_baseline(within)}"
    axes.set_xlabel(shorten(said, 90), fontproperties=FontProperties(size=9), parse_math=False)
    by, strata = (", ".join(axis_names(keys)) for keys in (within.overall.by, within.within))
    title = drawable(shorten(f"{shown} by {by}, within {strata}", 80))
    axes.set_title(title, fontproperties=FontProperties(size=10), parse_math=False)
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.margins(x=0.06)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
