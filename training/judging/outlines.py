"""Silhouettes against ideal shapes, at sub-pixel level.

The proportions are those of `training.rendering`, written a second time so that the judge shares
no code with what it judges.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Distance = Callable[[Floats, Floats], Floats]

MOST_STRAY = (0.3, 0.035)
"""Pixels, and share of the radius: how far the outline may lie from the ideal one, in sum."""
LEAST_OVERLAP = 0.94
EDGE_ERROR = 0.75
"""Pixels. Thin shapes have more edge: their overlap may be as if all of it were this far off."""
CANDIDATES = 3
"""Of all shapes, how many that fit best at first are fitted well."""
AROUND = 6
"""Pixels of ground around a silhouette that count, too."""


@dataclass(frozen=True)
class Ideal:
    """A shape of radius 1: signed distance, area, perimeter, and how far its centroid lies below
    its centre.
    """

    distance: Distance
    area: float
    perimeter: float
    drop: float = 0.0


def triangle(x: Floats, y: Floats) -> Floats:
    y = y - 0.15
    return np.maximum(y - 0.62, np.abs(x) * (math.sqrt(3) / 2) - y * 0.5 - 0.62)


def cross(x: Floats, y: Floats) -> Floats:
    x, y = np.abs(x), np.abs(y)
    return np.minimum(np.maximum(x - 1, y - 0.34), np.maximum(x - 0.34, y - 1))


def line(x: Floats, y: Floats) -> Floats:
    along, across = np.abs(x - y) * math.sqrt(0.5), np.abs(x + y) * math.sqrt(0.5)
    return np.maximum(along - 1, across - 0.17)


IDEALS: dict[str, Ideal] = {
    "circle": Ideal(lambda x, y: np.hypot(x, y) - 1, math.pi, 2 * math.pi),
    "square": Ideal(
        lambda x, y: np.maximum(np.abs(x), np.abs(y)) - 0.88, (2 * 0.88) ** 2, 8 * 0.88
    ),
    "triangle": Ideal(triangle, 3 * math.sqrt(3) * 0.62**2, 6 * math.sqrt(3) * 0.62, 0.15),
    "cross": Ideal(cross, 4 * (2 * 0.34 - 0.34**2), 8.0),
    "ring": Ideal(
        lambda x, y: np.maximum(np.hypot(x, y) - 1, 0.56 - np.hypot(x, y)),
        math.pi * (1 - 0.56**2),
        2 * math.pi * 1.56,
    ),
    "half-circle": Ideal(
        lambda x, y: np.maximum(np.hypot(x, y - 0.42) - 1, y - 0.42),
        math.pi / 2,
        math.pi + 2,
        0.42 - 4 / (3 * math.pi),
    ),
    "line": Ideal(line, 4 * 0.17, 4 * 1.17),
}


@dataclass(frozen=True)
class Fit:
    """The ideal shape that a silhouette is likest to.

    `overlap` is the intersection over union, 0 to 1; `stray` how far, in pixels, the worst
    stretches of the outline lie from the ideal's; `clear` whether both are good enough for the
    shape's name. Places are in pixels of the silhouette's array, pixel centres at whole numbers.
    """

    name: str
    overlap: float
    stray: float
    x: float
    y: float
    radius: float

    @property
    def clear(self) -> bool:
        """Whether it may be called by the shape's name."""
        ideal = IDEALS[self.name]
        edge = ideal.perimeter / (ideal.area * self.radius)
        base, share = MOST_STRAY
        fits = self.overlap >= min(LEAST_OVERLAP, 1 - EDGE_ERROR * edge)
        return fits and self.stray <= base + share * self.radius


def likest(cover: Floats) -> Fit:
    """Fit every shape to how much of each pixel [H, W] an object covers."""
    rows, columns = (np.flatnonzero(cover.max(axis)) for axis in (1, 0))
    top, left = max(rows[0] - AROUND, 0), max(columns[0] - AROUND, 0)
    cut = cover[top : rows[-1] + AROUND + 1, left : columns[-1] + AROUND + 1]
    total = cut.sum()
    y = float((cut.sum(1) @ np.arange(cut.shape[0])) / total)
    x = float((cut.sum(0) @ np.arange(cut.shape[1])) / total)
    starts = {name: start(ideal, total, x, y) for name, ideal in IDEALS.items()}
    first = {name: overlap(IDEALS[name], cut, *place) for name, place in starts.items()}
    best = sorted(first, key=lambda name: -first[name])[:CANDIDATES]
    fits = {name: fit(IDEALS[name], cut, starts[name]) for name in best}
    name = max(fits, key=lambda name: fits[name][0])
    share, (cx, cy, radius) = fits[name]
    stray = outline_stray(IDEALS[name], cut, cx, cy, radius)
    return Fit(name, share, stray, float(cx + left), float(cy + top), float(radius))


Placement = tuple[float, float, float]


def start(ideal: Ideal, area: float, x: float, y: float) -> Placement:
    """Where and how large an ideal of this area and centroid is."""
    radius = math.sqrt(area / ideal.area)
    return x, y - ideal.drop * radius, radius


def fit(ideal: Ideal, cover: Floats, here: Placement) -> tuple[float, Placement]:
    """Best overlap of an ideal with a silhouette, and its placement: a walk to better neighbours
    with ever smaller steps.
    """
    best = overlap(ideal, cover, *here)
    step = 0.8
    while step > 0.1:
        moves = [(dx, dy, dr) for dx, dy, dr in product((-step, 0, step), repeat=3)]
        tried = [(here[0] + dx, here[1] + dy, here[2] + dr) for dx, dy, dr in moves]
        scores = [overlap(ideal, cover, *place) for place in tried]
        top = int(np.argmax(scores))
        if scores[top] > best:
            best, here = scores[top], tried[top]
        else:
            step /= 2
    return best, here


def overlap(ideal: Ideal, cover: Floats, x: float, y: float, radius: float) -> float:
    """Soft intersection over union. Edges are sharpened, so blur counts less than displacement."""
    ys, xs = np.ogrid[: cover.shape[0], : cover.shape[1]]
    inside = -radius * ideal.distance((xs - x) / radius, (ys - y) / radius)
    wanted = (0.5 + 2 * inside).clip(0, 1)
    seen = (0.5 + 2 * (cover - 0.5)).clip(0, 1)
    return float(np.minimum(wanted, seen).sum() / np.maximum(wanted, seen).sum())


def outline_stray(ideal: Ideal, cover: Floats, x: float, y: float, radius: float) -> float:
    """Distance in pixels from the ideal outline that 97% of the silhouette's outline keeps within.

    The silhouette's outline is where the cover crosses one half, interpolated between pixels.
    """
    distances: list[Any] = []
    for axis in (0, 1):
        first = cover if axis == 0 else cover.T
        low, high = first[:-1] - 0.5, first[1:] - 0.5
        rows, columns = np.nonzero((low > 0) != (high > 0))
        along = rows + low[rows, columns] / (low[rows, columns] - high[rows, columns])
        points = (along, columns) if axis == 0 else (columns, along)
        ys, xs = (np.asarray(places, np.float64) for places in points)
        distances.append(radius * ideal.distance((xs - x) / radius, (ys - y) / radius))
    found = np.abs(np.concatenate(distances))
    return float(np.quantile(found, 0.97)) if found.size else math.inf
