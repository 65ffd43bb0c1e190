"""A strict judge of pictures: reads pixels only, and says which shapes it sees, or None.

A shape is named when its outline is: the silhouette is measured at sub-pixel level (how much of
each pixel the object covers) and each ideal shape is fitted to it in position and size. The best
one must overlap well, and no stretch of the outline may stray: a pincushioned square, a blobby
circle or a torn cross is an object of no shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from runner.mini.vocabulary import BACKGROUNDS, COLOURS, RGB, Combination

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Distance = Callable[[Floats, Floats], Floats]

FOREGROUND = 50.0
"""Euclidean distance in RGB (0-255) from the background at which a pixel is foreground."""
SMALLEST = 0.003
"""Share of the picture below which a spot is dirt, not an object."""
NEAR_ENOUGH = 60.0
"""Euclidean distance in RGB beyond which a colour has no name."""
LEAST_OVERLAP = 0.94
MOST_STRAY = (0.3, 0.035)
"""Pixels, and share of the radius: how far the outline may lie from the ideal one, in sum."""
BORDER = 3


@dataclass(frozen=True)
class Found:
    """One object. `shape` and `colour` are None where no name fits well enough.

    `centre` is (x, y) in pixels, `area` a share of the picture, `fit` the overlap (intersection
    over union, 0 to 1) with the nearest ideal shape, `stray` how far, in pixels, the worst
    stretches of the outline lie from that shape's. `likest` is that nearest shape, however badly
    it fits: it tells a wrong shape from an untidy one, and no picture is right by it.
    """

    shape: str | None
    colour: str | None
    centre: tuple[float, float]
    area: float
    fit: float
    stray: float
    likest: str


@dataclass(frozen=True)
class Verdict:
    """What a picture shows, the largest object first."""

    background: str | None
    objects: tuple[Found, ...]


@dataclass(frozen=True)
class Ideal:
    """A shape of radius 1: signed distance, area, and how far its centroid lies below its centre.

    The proportions are those of `runner.mini.scenes`, written a second time so that the judge
    shares no code with what it judges.
    """

    distance: Distance
    area: float
    drop: float = 0.0


def triangle(x: Floats, y: Floats) -> Floats:
    y = y - 0.15
    return np.maximum(y - 0.62, np.abs(x) * (math.sqrt(3) / 2) - y * 0.5 - 0.62)


def cross(x: Floats, y: Floats) -> Floats:
    x, y = np.abs(x), np.abs(y)
    return np.minimum(np.maximum(x - 1, y - 0.34), np.maximum(x - 0.34, y - 1))


IDEALS: dict[str, Ideal] = {
    "circle": Ideal(lambda x, y: np.hypot(x, y) - 1, math.pi),
    "square": Ideal(lambda x, y: np.maximum(np.abs(x), np.abs(y)) - 0.88, (2 * 0.88) ** 2),
    "triangle": Ideal(triangle, 3 * math.sqrt(3) * 0.62**2, 0.15),
    "cross": Ideal(cross, 4 * (2 * 0.34 - 0.34**2)),
}


def judge(image: NDArray[np.uint8] | Image.Image) -> Verdict:
    """Judge a picture, H x W x 3 in 0-255 or PIL, any size of at least 32 px."""
    pixels = np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else image)
    pixels = pixels.astype(np.float64)
    ground = background_colour(pixels)
    foreground = np.linalg.norm(pixels - ground, axis=-1) > FOREGROUND
    labels, _ = ndimage.label(foreground, structure=np.ones((3, 3)))
    found = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if (labels[box] == number).sum() >= SMALLEST * foreground.size:
            found.append(describe(pixels, ground, labels == number))
    found.sort(key=lambda one: -one.area)
    return Verdict(nearest(ground, BACKGROUNDS), tuple(found))


def matches(verdict: Verdict, spec: Combination) -> dict[str, bool]:
    """Attribute -> whether it is right of a picture that should show just the object of `spec`."""
    first = verdict.objects[0] if verdict.objects else None
    right = {
        "background": verdict.background == spec.background,
        "count": len(verdict.objects) == 1,
        "shape": first is not None and first.shape == spec.shape,
        "colour": first is not None and first.colour == spec.colour,
    }
    return {**right, "all": all(right.values())}


def background_colour(pixels: Floats) -> Floats:
    """Median colour of the border, [3]."""
    inner = np.zeros(pixels.shape[:2], bool)
    inner[BORDER:-BORDER, BORDER:-BORDER] = True
    return np.asarray(np.median(pixels[~inner], axis=0))


def nearest(colour: Floats, names: dict[str, RGB]) -> str | None:
    """The name whose RGB is nearest to `colour`, None if even that is far."""
    distances = {name: float(np.linalg.norm(colour - np.array(rgb))) for name, rgb in names.items()}
    best = min(distances, key=distances.__getitem__)
    return best if distances[best] <= NEAR_ENOUGH else None


def describe(pixels: Floats, ground: Floats, mask: Mask) -> Found:
    """Name one object, the foreground pixels of `mask` [H, W]."""
    core = ndimage.binary_erosion(mask, iterations=2)
    paint = np.median(pixels[core if core.any() else mask], axis=0)
    contrast = paint - ground
    cover = ((pixels - ground) @ contrast / max(contrast @ contrast, 1e-9)).clip(0, 1)
    cover = np.where(ndimage.binary_dilation(mask, iterations=2), cover, 0.0)
    y, x = ndimage.center_of_mass(cover)
    fits = {name: fit(ideal, cover, x, y) for name, ideal in IDEALS.items()}
    best = max(fits, key=lambda name: fits[name][0])
    overlap, (cx, cy, radius) = fits[best]
    stray = outline_stray(IDEALS[best], cover, cx, cy, radius)
    base, share = MOST_STRAY
    clear = overlap >= LEAST_OVERLAP and stray <= base + share * radius
    return Found(
        shape=best if clear else None,
        colour=nearest(paint, COLOURS),
        centre=(float(x) + 0.5, float(y) + 0.5),
        area=float(cover.mean()),
        fit=overlap,
        stray=stray,
        likest=best,
    )


Placement = tuple[float, float, float]


def fit(ideal: Ideal, cover: Floats, x: float, y: float) -> tuple[float, Placement]:
    """Best overlap of an ideal with a silhouette whose centroid is (x, y), and its placement.

    Starts from centroid and area, and walks to better neighbours with ever smaller steps.
    """
    radius = math.sqrt(cover.sum() / ideal.area)
    here: Placement = (x, y - ideal.drop * radius, radius)
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
    return float(np.quantile(np.abs(np.concatenate(distances)), 0.97))
