"""Synthetic captioned scenes: seeded sampling, captions, and an anti-aliased renderer.

A scene is a background and a tuple of objects. Sampling makes one object for now; rendering and
the dataclasses already take any number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

import torch
from torch import Tensor

from runner.mini.vocabulary import (
    BACKGROUNDS,
    COLOURS,
    HELD_OUT,
    OPENINGS,
    RGB,
    SHAPES,
    SPELLINGS,
    Combination,
)

CANVAS = 128
"""Side of the canvas in pixels, the unit of every position and radius below."""

MARGIN = 4.0
RADII = (20.0, 40.0)

LATTICE = (40.0, 64.0, 88.0)
LATTICE_RADII = (24.0, 34.0)
"""Where and how large the family draws: left, centre, right; top, centre, bottom; small, large.

Multiples of 8 px, the MoVQ's scale: an object's latents are the same at each place but for the
shift. Few and sharp choices are what a UNet of this size learns to draw with clean outlines, and
guidance cannot push it off them, as it pushes sizes in between."""

SQUARE_HALF_SIDE = 0.88
TRIANGLE_INRADIUS = 0.62
TRIANGLE_DROP = 0.15
CROSS_HALF_WIDTH = 0.34


@dataclass(frozen=True)
class SceneObject:
    """One filled shape; `x`, `y`, `radius` in pixels of a 128 px canvas, y downward."""

    shape: str
    colour: str
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Scene:
    """A plain background with objects on it, later ones painted over earlier ones."""

    background: str
    objects: tuple[SceneObject, ...]

    @property
    def combination(self) -> Combination:
        """What the picture shows, of a scene with exactly one object."""
        (only,) = self.objects
        return Combination(only.shape, only.colour, self.background)


@dataclass(frozen=True)
class Mention:
    """What a caption says of a one-object scene; None where it is silent."""

    shape: str | None
    colour: str | None
    background: str | None

    def allows(self, combination: Combination) -> bool:
        """Whether a picture of `combination` fits the caption."""
        said = (self.shape, self.colour, self.background)
        return all(word in (None, shown) for word, shown in zip(said, combination, strict=True))


def sample_scene(rng: Random, excluded: frozenset[Combination] = HELD_OUT) -> Scene:
    """Draw one scene of one object that is wholly on the canvas and not in `excluded`."""
    while True:
        combination = Combination(
            rng.choice(SHAPES), rng.choice(tuple(COLOURS)), rng.choice(tuple(BACKGROUNDS))
        )
        if combination not in excluded:
            return place(rng, combination)


def place(rng: Random, combination: Combination) -> Scene:
    """Draw where and how large the object of `combination` is."""
    radius = rng.uniform(*RADII)
    low, high = radius + MARGIN, CANVAS - radius - MARGIN
    x, y = rng.uniform(low, high), rng.uniform(low, high)
    thing = SceneObject(combination.shape, combination.colour, x, y, radius)
    return Scene(combination.background, (thing,))


def all_combinations() -> tuple[Combination, ...]:
    """Every combination of the vocabulary, held out or not."""
    return tuple(Combination(*words) for words in product(SHAPES, COLOURS, BACKGROUNDS))


def lattice(combination: Combination) -> tuple[Scene, ...]:
    """The object of `combination` in each of the lattice's places and sizes."""
    return tuple(
        Scene(combination.background, (SceneObject(*combination[:2], x, y, radius),))
        for x, y, radius in product(LATTICE, LATTICE, LATTICE_RADII)
    )


def caption(rng: Random, combination: Combination) -> tuple[str, Mention]:
    """Word a combination, sometimes leaving out the shape, the colour or the background."""
    shape: str | None = combination.shape
    colour: str | None = combination.colour
    background: str | None = combination.background
    left_out = rng.random()
    if left_out < 0.08:
        colour = None
    elif left_out < 0.16:
        shape = None
    if rng.random() < 0.2:
        background = None
    return phrase(rng, shape, colour, background), Mention(shape, colour, background)


def phrase(rng: Random, shape: str | None, colour: str | None, background: str | None) -> str:
    """One of the wordings that says just these attributes."""
    noun = " ".join(word for word in (colour, shape or "shape") if word)
    article = rng.choices(("indefinite", "none", "the", "one"), (80, 10, 5, 5))[0]
    if article == "indefinite":
        noun = with_article(noun)
    elif article != "none":
        noun = f"{article} {noun}"
    opening = rng.choice(OPENINGS) + " " if rng.random() < 0.4 else ""
    return opening + noun + ground(rng, background)


def ground(rng: Random, background: str | None) -> str:
    """The part of a caption that names the background, with the space before it; may be ""."""
    if background is None:
        return ""
    spellings = [background, *(other for other, word in SPELLINGS.items() if word == background)]
    word = rng.choice(spellings)
    form = rng.choices(("on a {} background", "on {}", "on the {} background"), (75, 17, 8))[0]
    return " " + form.format(word)


def with_article(noun: str) -> str:
    """`noun` after the indefinite article that fits it."""
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def circle(dx: Tensor, dy: Tensor, radius: Tensor) -> Tensor:
    """Signed distance (px, negative inside) to a circle."""
    return torch.hypot(dx, dy) - radius


def square(dx: Tensor, dy: Tensor, radius: Tensor) -> Tensor:
    """Signed distance (px; Chebyshev outside, which keeps corners sharp) to an upright square."""
    return torch.maximum(dx.abs(), dy.abs()) - SQUARE_HALF_SIDE * radius


def triangle(dx: Tensor, dy: Tensor, radius: Tensor) -> Tensor:
    """Signed distance (px) to an equilateral triangle that points up."""
    inradius = TRIANGLE_INRADIUS * radius
    dy = dy - TRIANGLE_DROP * radius
    slanted = dx.abs() * (math.sqrt(3) / 2) - dy * 0.5 - inradius
    return torch.maximum(dy - inradius, slanted)


def cross(dx: Tensor, dy: Tensor, radius: Tensor) -> Tensor:
    """Signed distance (px) to an upright cross with four equal arms."""
    arm = CROSS_HALF_WIDTH * radius
    across = torch.maximum(dx.abs() - radius, dy.abs() - arm)
    upright = torch.maximum(dx.abs() - arm, dy.abs() - radius)
    return torch.minimum(across, upright)


DISTANCES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "circle": circle,
    "square": square,
    "triangle": triangle,
    "cross": cross,
}
"""Shape -> signed distance from offsets `dx`, `dy` to the centre and a radius, all broadcast."""


def render(scenes: Sequence[Scene], size: int = CANVAS) -> Tensor:
    """Paint scenes: float32 [len(scenes), 3, size, size] in [0, 1], edges anti-aliased."""
    centres = (torch.arange(size, dtype=torch.float32) + 0.5) * (CANVAS / size)
    ys, xs = torch.meshgrid(centres, centres, indexing="ij")
    grounds = torch.stack([colour_tensor(BACKGROUNDS[scene.background]) for scene in scenes])
    images = grounds[:, :, None, None].repeat(1, 1, size, size)
    for layer in range(max((len(scene.objects) for scene in scenes), default=0)):
        for shape, distance in DISTANCES.items():
            chosen = [
                (index, scene.objects[layer])
                for index, scene in enumerate(scenes)
                if len(scene.objects) > layer and scene.objects[layer].shape == shape
            ]
            if not chosen:
                continue
            rows = [index for index, _ in chosen]
            geometry = torch.tensor([[o.x, o.y, o.radius] for _, o in chosen])[:, :, None, None]
            x, y, radius = geometry.unbind(1)
            # One pixel of ramp, centred on the edge: the coverage of a straight edge.
            cover = (0.5 - distance(xs - x, ys - y, radius) * (size / CANVAS)).clamp(0, 1)[:, None]
            paint = torch.stack([colour_tensor(COLOURS[o.colour]) for _, o in chosen])
            images[rows] = images[rows] * (1 - cover) + paint[:, :, None, None] * cover
    return images


def colour_tensor(rgb: RGB) -> Tensor:
    """float32 [3] in [0, 1]."""
    return torch.tensor(rgb, dtype=torch.float32) / 255
