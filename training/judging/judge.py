"""A strict judge of pictures: reads pixels only, and says which shapes it sees, or None.

A shape is named when its outline is: a pincushioned square, a blobby circle or a torn cross is an
object of no shape (`training.judging.outlines`). An object that lies inside another is told from it
by its colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from runner.mini.vocabulary import BACKGROUNDS, COLOURS, RGB
from training.judging.outlines import likest
from training.scenes import CANVAS, Mention, ObjectMention, SceneObject

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

FOREGROUND = 42.0
"""Euclidean distance in RGB (0-255) from the background at which a pixel is foreground."""
SMALLEST = 0.003
"""Share of the picture below which a spot is dirt, not an object."""
NEAR_ENOUGH = 60.0
"""Euclidean distance in RGB beyond which a colour has no name."""
SHADES = (0.84, 0.92, 1.0)
"""Objects are shaded: their colours at these brightnesses."""
BORDER = 3
SLIVER = 2
"""Pixels: where two objects touch, mixed colours this far from either are neither."""


@dataclass(frozen=True)
class Found:
    """One object. `shape` and `colour` are None where no name fits well enough.

    `centre` (x, y) and `radius` are those of the nearest ideal shape, in pixels; `area` a share of
    the picture; `fit` the overlap with that shape, `stray` how far the worst stretches of the
    outline lie from its, in pixels. `likest` is that nearest shape, however badly it fits: it tells
    a wrong shape from an untidy one, and no picture is right by it.
    """

    shape: str | None
    colour: str | None
    centre: tuple[float, float]
    radius: float
    area: float
    fit: float
    stray: float
    likest: str


@dataclass(frozen=True)
class Verdict:
    """What a picture of `side` pixels shows, the largest object first."""

    background: str | None
    objects: tuple[Found, ...]
    side: int


def judge(image: NDArray[np.uint8] | Image.Image) -> Verdict:
    """Judge a square picture, H x W x 3 in 0-255 or PIL, any size of at least 32 px."""
    pixels = np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else image)
    pixels = pixels.astype(np.float64)
    ground = background_colour(pixels)
    foreground = np.linalg.norm(pixels - ground, axis=-1) > FOREGROUND
    found = [one for spot in spots(foreground) for one in objects_of(pixels, ground, spot)]
    found.sort(key=lambda one: -one.area)
    return Verdict(nearest(ground, BACKGROUNDS), tuple(found), len(pixels))


def matches(verdict: Verdict, asked: Mention) -> dict[str, bool]:
    """Attribute -> whether it is right of a picture that should show just what is asked.

    Of two objects, each is taken for the asked one that makes the most attributes right.
    """
    count = len(verdict.objects) == len(asked.objects)
    # Only as many as are asked for: noise may show fifty, whose orders have no end.
    orders = permutations(verdict.objects) if count else ()
    answers = [_answers(order, asked, verdict.side) for order in orders]
    best = max(answers, key=lambda right: sum(right.values()), default={})
    right = {
        "background": asked.background in (None, verdict.background),
        "count": count,
        **{name: best.get(name, False) for name in ("shape", "colour", "place", "relation")},
    }
    return {**right, "all": all(right.values())}


def _answers(found: Sequence[Found], asked: Mention, side: int) -> dict[str, bool]:
    pairs = list(zip(found, asked.objects, strict=False))
    return {
        "shape": all(said.shape in (None, seen.shape) for seen, said in pairs),
        "colour": all(said.colour in (None, seen.colour) for seen, said in pairs),
        "place": all(_lies(seen, said, side) for seen, said in pairs),
        "relation": asked.relation in (None, relation(found)),
    }


def _lies(seen: Found, said: ObjectMention, side: int) -> bool:
    """Whether place and size are as said."""
    scale = CANVAS / side
    x, y = (place * scale for place in seen.centre)
    where = replace(said, shape=None, colour=None)
    return where.allows(SceneObject("", "", x, y, seen.radius * scale))


def relation(found: Sequence[Found]) -> str | None:
    """How the first of two objects lies to the second, if in any way that has a name."""
    if len(found) != 2:
        return None
    first, second = found
    dx, dy = (b - a for a, b in zip(first.centre, second.centre, strict=True))
    if first.radius < second.radius and max(abs(dx), abs(dy)) < second.radius / 2:
        return "inside"
    if abs(dx) > abs(dy):
        return "left of" if dx > 0 else None
    return "above" if dy > 0 else None


def background_colour(pixels: Floats) -> Floats:
    """Median colour of the border, [3]."""
    inner = np.zeros(pixels.shape[:2], bool)
    inner[BORDER:-BORDER, BORDER:-BORDER] = True
    return np.asarray(np.median(pixels[~inner], axis=0))


def nearest(colour: Floats, names: dict[str, RGB], shades: Sequence[float] = (1.0,)) -> str | None:
    """The name whose RGB, at any of the shades, is nearest to `colour`; None if that is far."""
    distances = {
        name: min(float(np.linalg.norm(colour - shade * np.array(rgb))) for shade in shades)
        for name, rgb in names.items()
    }
    best = min(distances, key=distances.__getitem__)
    return best if distances[best] <= NEAR_ENOUGH else None


def spots(mask: Mask) -> list[Mask]:
    """The connected parts that are large enough to be objects, each as a mask [H, W]."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    parts = [labels == number for number in range(1, count + 1)]
    return [part for part in parts if part.sum() >= SMALLEST * mask.size]


def objects_of(pixels: Floats, ground: Floats, spot: Mask) -> list[Found]:
    """The objects of a connected spot: one; or several that touch, told apart by their colours."""
    parts = parts_of(pixels, spot)
    if len(parts) < 2:
        return [describe(pixels, ground, spot)]
    outer, *others = parts
    found = [describe(pixels, surroundings(pixels, part), part) for part in others]
    rest = np.any(others, axis=0)
    inside = ndimage.binary_fill_holes(ndimage.binary_dilation(outer, iterations=SLIVER))
    hidden = ndimage.binary_dilation(rest & inside, iterations=2 * SLIVER)
    beside = ndimage.binary_dilation(rest & ~inside, iterations=SLIVER)
    whole = ndimage.binary_fill_holes(spot) if hidden.any() else spot
    return [describe(pixels, ground, whole & ~beside, hidden & whole), *found]


def parts_of(pixels: Floats, spot: Mask) -> list[Mask]:
    """The parts of a spot that differ in colour, the largest first.

    What shows through a ring that lies on the largest is no part of its own.
    """
    coloured = [(number, part) for number, mask in enumerate(by_colour(pixels, spot))
                for part in spots(opened(mask))]  # fmt: skip
    coloured.sort(key=lambda one: -one[1].sum())
    return [part for place, (number, part) in enumerate(coloured)
            if place == 0 or number != coloured[0][0]]  # fmt: skip


def by_colour(pixels: Floats, spot: Mask) -> list[Mask]:
    """The pixels of a spot, by the colour's name that each is nearest to."""
    shown = np.array([[np.array(rgb) * s for s in SHADES] for rgb in COLOURS.values()])
    distances = np.linalg.norm(pixels[spot][:, None, None] - shown, axis=-1).min(-1)
    names = np.full(spot.shape, -1)
    names[spot] = distances.argmin(-1)
    return [names == number for number in range(len(COLOURS))]


def opened(mask: Mask) -> Mask:
    """The mask without what is thinner than slivers of mixed colour are."""
    return np.asarray(ndimage.binary_opening(mask, iterations=SLIVER))


def surroundings(pixels: Floats, mask: Mask) -> Floats:
    """Median colour just around an object, [3]."""
    near = ndimage.binary_dilation(mask, iterations=SLIVER + 1)
    far = ndimage.binary_dilation(mask, iterations=2 * SLIVER + 2)
    return np.asarray(np.median(pixels[far & ~near], axis=0))


def describe(pixels: Floats, ground: Floats, mask: Mask, hidden: Mask | None = None) -> Found:
    """Name one object, the foreground pixels of `mask` [H, W].

    Args:
        hidden: where another object lies on it.
    """
    own = mask if hidden is None else mask & ~hidden
    core = ndimage.binary_erosion(own, iterations=2)
    paint = np.median(pixels[core if core.any() else own], axis=0)
    contrast = paint - ground
    cover = ((pixels - ground) @ contrast / max(contrast @ contrast, 1e-9)).clip(0, 1)
    if hidden is not None:
        cover = np.where(hidden, 1.0, cover)
    cover = np.where(ndimage.binary_dilation(mask, iterations=2), cover, 0.0)
    if not cover.any():  # noise, whose median is the ground's colour
        cover = mask.astype(np.float64)
    best = likest(cover)
    return Found(
        shape=best.name if best.clear else None,
        colour=nearest(paint, COLOURS, SHADES),
        centre=(best.x + 0.5, best.y + 0.5),
        radius=best.radius,
        area=float(cover.mean()),
        fit=best.overlap,
        stray=best.stray,
        likest=best.name,
    )
