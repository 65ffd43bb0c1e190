"""The concepts that the small family can draw, and the combinations held out of training.

Concepts have English names; `training.captions` words them in three languages. Pure Python,
so that a prompt can be checked without importing torch.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

RGB = tuple[int, int, int]

SHAPES: tuple[str, ...] = (
    "circle",
    "square",
    "triangle",
    "cross",
    "ring",
    "half-circle",
    "line",
)

COLOURS: dict[str, RGB] = {
    "red": (214, 40, 40),
    "orange": (247, 127, 0),
    "yellow": (252, 214, 32),
    "green": (46, 160, 67),
    "turquoise": (38, 190, 200),
    "blue": (30, 80, 200),
    "purple": (130, 50, 160),
    "pink": (245, 130, 185),
}

BACKGROUNDS: dict[str, RGB] = {
    "white": (250, 250, 248),
    "black": (16, 16, 20),
    "gray": (150, 150, 150),
    "beige": (226, 206, 170),
}

SIZES: tuple[str, ...] = ("small", "large")
COLUMNS: tuple[str, ...] = ("left", "centre", "right")
ROWS: tuple[str, ...] = ("top", "centre", "bottom")

RELATIONS: tuple[str, ...] = ("left of", "above", "inside")
"""Position of the first of two objects relative to the second."""

HOLLOW: tuple[str, ...] = ("circle", "square", "triangle", "ring")
"""Shapes that can have another object inside."""


class Combination(NamedTuple):
    """The appearance of one object and of its background."""

    shape: str
    colour: str
    background: str


def all_combinations() -> tuple[Combination, ...]:
    """Every combination, held out or not."""
    return tuple(Combination(*words) for words in product(SHAPES, COLOURS, BACKGROUNDS))


def _is_held_out(combination: Combination) -> bool:
    shape = SHAPES.index(combination.shape)
    colour = tuple(COLOURS).index(combination.colour)
    background = tuple(BACKGROUNDS).index(combination.background)
    return (shape + colour + 2 * background) % len(COLOURS) == 0


HELD_OUT: frozenset[Combination] = frozenset(filter(_is_held_out, all_combinations()))
"""Combinations that training never draws, alone or beside another object: 28 of 224, one of each
shape on each background, every colour three or four times, and every pair of shape, colour and
background still seen with another third."""
