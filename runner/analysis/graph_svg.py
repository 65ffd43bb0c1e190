"""Draws a graph of stages as SVG, from left (nodes without inputs) to right."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Mapping
from statistics import mean

from runner.analysis.lettering import drawable
from runner.graph.graph import Graph
from runner.graph.node import Node

WIDTH, HEIGHT = 2.6, 0.5
"""Inches between columns, and between rows."""
LETTERS = 30
COLOURS = ("#dbe9f6", "#fde9c9", "#ddf0d8", "#f6dbe4", "#e6e0f3", "#d9f0ef", "#efe6da", "#e4e4e4")


def as_svg(graph: Graph) -> str:
    """The graph as SVG, with a colour for each stage."""
    # Not pyplot: it would look for a display.
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

    from runner.analysis.plot_fonts import families

    places = _places(graph)
    columns = 1 + max((x for x, _ in places.values()), default=0)
    rows = [y for _, y in places.values()]
    top, bottom = min(rows, default=0), 1 + max(rows, default=0)
    figure = Figure(figsize=(columns * WIDTH, (bottom - top) * HEIGHT))
    canvas = FigureCanvasSVG(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, columns)
    axes.set_ylim(bottom, top)
    colours = {stage: COLOURS[n % len(COLOURS)] for n, stage in enumerate(_stages(graph))}
    texts = {node.key: _text(node) for node in graph}
    font = FontProperties(family=families(texts.values()), size=7)
    for node in graph:
        x, y = places[node.key]
        for needed in node.inputs.values():
            from_x, from_y = places[needed.key]
            axes.plot(
                (from_x + 0.5, x + 0.5), (from_y + 0.5, y + 0.5),
                color="#9a9a9a", linewidth=0.6, zorder=0,
            )  # fmt: skip
        axes.text(
            x + 0.5, y + 0.5, texts[node.key], ha="center", va="center", fontproperties=font,
            bbox={"boxstyle": "round,pad=0.3", "fc": colours[node.stage], "ec": "#7a7a7a"},
        )  # fmt: skip
    out = io.StringIO()
    canvas.print_svg(out, metadata={"Date": None})
    return out.getvalue()


def _places(graph: Graph) -> dict[str, tuple[int, float]]:
    """Column and row of each node: right of all its inputs, and as near as possible to the nodes
    that use it.
    """
    columns: defaultdict[int, list[Node]] = defaultdict(list)
    places: dict[str, tuple[int, float]] = {}
    users: defaultdict[str, list[Node]] = defaultdict(list)
    for node in graph.in_order():
        column = 1 + max((places[n.key][0] for n in node.inputs.values()), default=-1)
        places[node.key] = (column, len(columns[column]))
        columns[column].append(node)
        for needed in node.inputs.values():
            users[needed.key].append(node)
    for column in sorted(columns)[1:]:
        _settle(places, columns[column], {n.key: list(n.inputs.values()) for n in columns[column]})
    for column in sorted(columns, reverse=True)[1:]:
        _settle(places, columns[column], users)
    return places


def _settle(
    places: dict[str, tuple[int, float]], nodes: list[Node], beside: Mapping[str, list[Node]]
) -> None:
    """Move the nodes of a column to the middle of their neighbours, at least a row apart."""
    wanted = {
        node.key: mean(places[n.key][1] for n in beside.get(node.key) or [node]) for node in nodes
    }
    row = -1.0
    for node in sorted(nodes, key=lambda node: wanted[node.key]):
        row = max(row + 1, wanted[node.key])
        places[node.key] = (places[node.key][0], row)


def _stages(graph: Graph) -> list[str]:
    return list(dict.fromkeys(node.stage for node in graph.in_order()))


def _text(node: Node) -> str:
    label = drawable(" ".join(node.label.split()))
    short = label if len(label) <= LETTERS else f"{label[: LETTERS - 1]}…"
    # matplotlib would read text between dollar signs as a formula.
    return f"{node.stage}\n{short}".strip().replace("$", r"\$")
