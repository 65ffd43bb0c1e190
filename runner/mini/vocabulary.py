"""The words of the small family: what it was trained on, and what it was never shown.

Pure Python on purpose: a prompt can be checked without importing torch.
"""

from __future__ import annotations

import re
from typing import NamedTuple

RGB = tuple[int, int, int]

SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "cross")

COLOURS: dict[str, RGB] = {
    "red": (214, 40, 40),
    "orange": (247, 127, 0),
    "yellow": (252, 214, 32),
    "green": (46, 160, 67),
    "blue": (30, 80, 200),
    "purple": (130, 50, 160),
}

BACKGROUNDS: dict[str, RGB] = {
    "white": (250, 250, 248),
    "black": (16, 16, 20),
    "gray": (150, 150, 150),
}

SPELLINGS: dict[str, str] = {"grey": "gray"}
"""Another spelling of a word -> the word itself. Captions use both."""

OPENINGS: tuple[str, ...] = (
    "a painting of",
    "a picture of",
    "a drawing of",
    "an abstract painting of",
    "an image of",
)
"""What may stand before the noun phrase of a caption."""

ARTICLES: tuple[str, ...] = ("a", "an", "the", "one")
CONNECTIVES: tuple[str, ...] = ("on", "background", "shape")

WORDS: frozenset[str] = frozenset(
    [
        *SHAPES,
        *COLOURS,
        *BACKGROUNDS,
        *SPELLINGS,
        *ARTICLES,
        *CONNECTIVES,
        *(word for opening in OPENINGS for word in opening.split()),
    ]
)
"""Every word the family was trained on, in lower case."""


class Combination(NamedTuple):
    """What a one-object picture shows."""

    shape: str
    colour: str
    background: str


HELD_OUT: frozenset[Combination] = frozenset(
    Combination(*triple)
    for triple in (
        ("circle", "red", "black"),
        ("circle", "yellow", "gray"),
        ("circle", "blue", "white"),
        ("square", "orange", "white"),
        ("square", "green", "black"),
        ("square", "purple", "gray"),
        ("triangle", "red", "gray"),
        ("triangle", "yellow", "black"),
        ("triangle", "purple", "white"),
        ("cross", "orange", "gray"),
        ("cross", "green", "white"),
        ("cross", "blue", "black"),
    )
)
"""Combinations that training never draws: 12 of 72, every shape, colour and background equally
often, and every pair of them still seen with another third."""


def unknown_words(prompt: str) -> list[str]:
    """Words of `prompt` the family was never trained on: in order, lower-cased, each once."""
    words = re.findall(r"[^\W_]+", prompt.lower())
    return [word for word in dict.fromkeys(words) if word not in WORDS]
