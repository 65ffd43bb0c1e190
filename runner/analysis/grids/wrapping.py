"""Breaks texts into lines of a width."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from math import ceil

from runner.analysis.lettering import drawable, is_mark, text_length

ENOUGH = 100_000
"""Lines: a text is not cut."""
SHEET = 13
"""Pixels of a contact sheet's text."""
MEASURED_AT = 64
"""Pixels: so large that the rounding of single letters does not count."""


def length(text: str, size: float) -> float:
    """Width of one line, in the unit of `size`."""
    exact = text_length(text, MEASURED_AT) * size / MEASURED_AT
    # A sheet's text is drawn at this size in pixels, where each letter's width is rounded.
    return max(exact, text_length(text, SHEET)) if size == SHEET else exact


def wrapped(text: str, width: float, most: int, size: float = SHEET) -> list[str]:
    """Text in at most `most` lines of at most `width`; a longer one ends in "…".

    Broken at spaces, and within a word that is too long, as in Chinese, which has no spaces.
    Characters that no font has become boxes.
    """
    lines: list[str] = []
    line = ""
    for piece in _pieces(drawable(" ".join(text.split()))):
        if length(line + piece.rstrip(), size) > width and line:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
        while length(line.rstrip(), size) > width and len(line.rstrip()) > 1:
            lengths = range(1, len(line))
            fits = bisect_right(lengths, width, key=lambda n: ceil(length(line[:n], size)))
            while fits > 1 and is_mark(line[fits]):
                fits -= 1
            fits = max(fits, 1)
            lines.append(line[:fits])
            line = line[fits:]
    lines.append(line.rstrip())
    if len(lines) > most:
        lines = lines[:most]
        while lines[-1] and length(lines[-1] + "…", size) > width:
            lines[-1] = lines[-1][:-1]
        lines[-1] += "…"
    return [line for line in lines if line]


def longest_piece(text: str, size: float) -> float:
    """Width of the longest part of a text that is not broken."""
    return max((length(piece.rstrip(), size) for piece in _pieces(drawable(text))), default=0)


def _pieces(text: str) -> Iterator[str]:
    """Words with the space behind them, keys in parts; single characters of scripts that have no
    spaces.
    """
    word = ""
    for character in text:
        if character == " ":
            yield f"{word} "
            word = ""
        elif character >= "\u3000":
            if word:
                yield word
            yield character
            word = ""
        else:
            word += character
            if character in "._=":
                yield word
                word = ""
    if word:
        yield word
