"""The plot of quality against seconds. Imports matplotlib."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from runner.analysis.comparison.labels import axis_names, one_line, shorten, values_of
from runner.analysis.comparison.pareto import Point
from runner.analysis.costs import Better
from runner.analysis.figure_config import FigureConfig, config_of
from runner.analysis.lettering import drawable
from runner.analysis.plot_files import drawing_with, plot_files

SIZE = (9.0, 6.0)
"""Inches, at DOTS per inch; KEY_WIDTH wider with a key."""
KEY_WIDTH = 3.2
DOTS = 110
MOST_NAMED = 12
"""Up to so many points have their names beside them; beyond that numbers and a key."""
MOST_NUMBERED = 40
"""Beyond so many, only points on the front have numbers."""
LONGEST_NAME = 34
WIDE = 20.0
"""Seconds that differ by more than this factor are drawn on a logarithmic axis."""
RINGS = (9, 16, 26, 40, 58)
"""Points (1/72 inch) between a point and the middle of its label's near edge, tried in order."""
WAYS = ((1, 0), (1, 1), (1, -1), (0, 1), (0, -1), (-1, 0), (-1, 1), (-1, -1))
FRONT, OTHER, INK, FAINT = "#0a5fb4", "#8c8c8c", "#1a1a1a", "#d9d9d9"

Axes: TypeAlias = Any
"""A matplotlib object, untyped for mypy."""


def draw_plot(
    points: Sequence[Point],
    by: Sequence[str],
    baseline: object,
    metric: str,
    better: Better,
    asked: FigureConfig,
) -> dict[str, bytes]:
    """By format: seconds on the x axis, the metric on the y axis, the front as steps.

    Args:
        baseline: the setting that is drawn as a diamond.
        asked: what the plot's config says besides.
    """
    names = [
        drawable(shorten(", ".join(values_of(point.choice, by)), LONGEST_NAME)) for point in points
    ]
    words = [*names, metric, *axis_names(by)]
    with drawing_with(words):
        with_key = len(points) > MOST_NAMED
        figure = Figure((SIZE[0] + KEY_WIDTH * with_key, SIZE[1]), dpi=DOTS, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _prepare(axes, points, metric, better, by)
        _draw_front(axes, points, better)
        _draw_points(axes, points, baseline)
        named = [
            place
            for place, point in enumerate(points)
            if len(points) <= MOST_NUMBERED or point.on_front
        ]
        if with_key:
            _draw_key(axes, [f"{place + 1}  {names[place]}" for place in named])
        texts = [str(place + 1) if with_key else names[place] for place in named]
        figure.draw_without_rendering()
        # Labels are placed by their size, which needs the final layout.
        figure.set_layout_engine("none")
        _fix_legend(axes)
        _label(figure, axes, points, [points[place] for place in named], texts)
        return plot_files(figure, words, config_of("trade-off plot", metric=metric, **asked))


def _font(size: float) -> FontProperties:
    return FontProperties(size=size)


def _prepare(
    axes: Axes, points: Sequence[Point], metric: str, better: Better, by: Sequence[str]
) -> None:
    shown = drawable(shorten(one_line(metric), LONGEST_NAME))
    axes.set_xlabel("seconds an image", fontproperties=_font(10))
    axes.set_ylabel(f"{shown} ({better} is better)", fontproperties=_font(10), parse_math=False)
    title = f"{shown} against seconds, by {', '.join(map(drawable, axis_names(by)))}"
    axes.set_title(shorten(title, 90), fontproperties=_font(11), parse_math=False)
    seconds = [point.seconds for point in points]
    if min(seconds) > 0 and max(seconds) / min(seconds) > WIDE:
        axes.set_xscale("log")
    axes.margins(0.12)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_front(axes: Axes, points: Sequence[Point], better: Better) -> None:
    front = sorted((point for point in points if point.on_front), key=lambda point: point.seconds)
    axes.plot(
        [point.seconds for point in front],
        [point.quality for point in front],
        drawstyle="steps-post",
        color=FRONT,
        linewidth=1.4,
        label="front: no other is better in both",
    )


def _draw_points(axes: Axes, points: Sequence[Point], baseline: object) -> None:
    for point in points:
        axes.plot(
            [point.seconds],
            [point.quality],
            marker="D" if point.choice == baseline else "o",
            markersize=7 if point.choice == baseline else 6,
            linestyle="none",
            color=FRONT if point.on_front else OTHER,
            label="baseline" if point.choice == baseline else None,
        )
    axes.legend(prop=_font(8), frameon=False, loc="best")


def _fix_legend(axes: Axes) -> None:
    """Leave the legend where it is: the best place is sought at each of many drawings."""
    legend = axes.get_legend()
    box = legend.get_window_extent().transformed(axes.transAxes.inverted())
    legend.set_loc((box.x0, box.y0))


def _draw_key(axes: Axes, lines: Sequence[str]) -> None:
    axes.annotate(
        "\n".join(lines),
        (1.02, 1.0),
        xycoords="axes fraction",
        verticalalignment="top",
        fontproperties=_font(8 if len(lines) <= 30 else 6.5),
        color=INK,
        parse_math=False,
    )


def _label(
    figure: Figure,
    axes: Axes,
    points: Sequence[Point],
    named: Sequence[Point],
    texts: Sequence[str],
) -> None:
    """Put labels beside their points, where they overlap points and other labels least."""
    dots = [axes.transData.transform((point.seconds, point.quality)) for point in points]
    covered = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in dots]
    covered += _steps(sorted(tuple(d) for d, p in zip(dots, points, strict=True) if p.on_front))
    covered.append(axes.get_legend().get_window_extent())
    whole = figure.bbox.padded(-2)
    for point, text in zip(named, texts, strict=True):
        note = axes.annotate(
            text,
            (point.seconds, point.quality),
            xytext=(0, 0),
            textcoords="offset points",
            fontproperties=_font(8),
            color=FRONT if point.on_front else INK,
            parse_math=False,
            annotation_clip=False,
            # No outline around letters: that would make them curves in PDF and SVG.
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.6},
            arrowprops={"arrowstyle": "-", "color": OTHER, "linewidth": 0.7, "shrinkA": 0},
        )
        best: tuple[float, Bbox] | None = None
        for ring, offset, alignment in _tries():
            note.xyann = offset
            note.set(**alignment)
            box = _box(note)
            cost = sum(_overlap(box, other) for other in covered) + 3 * _outside(box, whole)
            if best is None or cost + ring < best[0]:
                best, chosen = (cost + ring, box), (ring, offset, alignment)
            if cost == 0:
                break
        assert best is not None
        ring, offset, alignment = chosen
        note.xyann = offset
        note.set(**alignment)
        note.arrow_patch.set_visible(ring > RINGS[0])
        covered.append(best[1])


def _steps(front: Sequence[tuple[float, float]]) -> list[Any]:
    """The boxes that the front's line covers, between its points from left to right."""
    found = []
    for (x, y), (next_x, next_y) in itertools.pairwise(front):
        found.append(Bbox([(x, y - 2), (next_x, y + 2)]))
        found.append(Bbox([(next_x - 2, min(y, next_y)), (next_x + 2, max(y, next_y))]))
    return found


def _tries() -> Iterator[tuple[int, tuple[float, float], dict[str, str]]]:
    for ring in RINGS:
        for x, y in WAYS:
            aside = ring if x and y == 0 else ring * 0.7
            yield (
                ring,
                (x * aside, y * (ring if x == 0 else ring * 0.7)),
                {
                    "horizontalalignment": ("right", "center", "left")[x + 1],
                    "verticalalignment": ("top", "center", "bottom")[y + 1],
                },
            )


def _box(note: Any) -> Any:
    """The bounding box of the text alone, without its line."""
    note.update_positions(note.figure.canvas.get_renderer())
    return Text.get_window_extent(note)


def _overlap(one: Any, other: Any) -> float:
    """The common area of two boxes, in square dots."""
    width = float(min(one.x1, other.x1) - max(one.x0, other.x0))
    height = float(min(one.y1, other.y1) - max(one.y0, other.y0))
    return max(0.0, width) * max(0.0, height)


def _outside(box: Any, whole: Any) -> float:
    """The area outside the plot, in square dots."""
    return max(0.0, float(box.width * box.height) - _overlap(box, whole))
