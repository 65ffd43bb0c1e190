"""Text in pictures: each character in a font that has it, or a visible substitute.

Scripts that need shaping or run from right to left are laid out by Raqm, where Pillow has it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path

from PIL import ImageDraw, ImageFont, features

from runner.system.fonts import FONT, SHIPPED, fonts_with
from runner.system.fonts.coverage import has_character

SUBSTITUTE = "▮"
JOINERS = "\u200c\u200d"
MOST_NAMED = 12


def drawable(text: str) -> str:
    """The text in composed form, with a box in place of each character that no font has."""
    shown = []
    for cluster in _clusters(text):
        if _font_of(cluster) is not None:
            shown.append(cluster)
        elif _font_of(cluster[0]) is not None:
            shown.append(cluster[0] + SUBSTITUTE)
        else:
            shown.append(SUBSTITUTE)
    return "".join(shown)


def warn_of_substitutes(texts: Iterable[str]) -> list[str]:
    """A warning that names the characters of texts that no font has; none where all have one."""
    missing = dict.fromkeys(
        character
        for text in dict.fromkeys(texts)
        for cluster in _clusters(text)
        if _font_of(cluster) is None
        for character in (cluster if _font_of(cluster[0]) is None else cluster[1:])
    )
    if not missing:
        return []
    named = [
        f"U+{ord(character):04X}" + (f" {character}" if character.isprintable() else "")
        for character in missing
    ]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return [
        f"no font on this machine has {', '.join(named[:MOST_NAMED])}{more}: drawn as "
        f"{SUBSTITUTE}; install a font that has them, such as one of Noto's"
    ]


def text_length(text: str, size: int) -> float:
    """Width in pixels of one line that `drawable` made."""
    return sum(_face(font, size).getlength(part) for font, part in _runs(text))


def ascent(size: int) -> int:
    """Pixels from a line's upper edge to its baseline."""
    return int(_face(FONT, size).getmetrics()[0])


def draw_text(
    pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, colour: str, size: int
) -> None:
    """Draw one line that `drawable` made, on a common baseline; corner: the upper left one."""
    x, y = float(corner[0]), float(corner[1] + ascent(size))
    for font, part in _runs(text):
        face = _face(font, size)
        pen.text((x, y), part, colour, face, anchor="ls")
        x += face.getlength(part)


def fonts_of(texts: Iterable[str]) -> list[Path]:
    """The fonts that texts are drawn in, the usual one first."""
    runs = (run for text in texts for run in _runs(drawable(text)))
    return list(dict.fromkeys([FONT, *(font for font, _ in runs)]))


def is_mark(character: str) -> bool:
    """Whether a character belongs to the one before it."""
    return unicodedata.category(character).startswith("M") or character in JOINERS


def _clusters(text: str) -> Iterator[str]:
    """Letters with the marks that belong to them. What is never seen is left out."""
    cluster = ""
    for character in unicodedata.normalize("NFC", text):
        if _is_selector(character):
            continue
        if unicodedata.category(character) == "Cf" and character not in JOINERS:
            continue
        if cluster and is_mark(character):
            cluster += character
            continue
        if cluster:
            yield cluster
        cluster = character
    if cluster:
        yield cluster


def _is_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


@lru_cache(maxsize=10_000)
def _font_of(text: str) -> Path | None:
    """The first font that has all of a text, and draws something for each character."""
    if all(has_character(FONT, character) for character in text):
        return FONT
    seen = "".join(character for character in text if character not in JOINERS)
    return next((font for font in fonts_with(seen) if font in SHIPPED or _draws(font, seen)), None)


@lru_cache(maxsize=10_000)
def _runs(text: str) -> list[tuple[Path, str]]:
    """A line in parts of one font each: as a whole if one has all of it, else by words, else by
    characters. Only within a part are both directions of writing put in order.
    """
    if (font := _font_of(text)) is not None:
        return [(font, text)]
    runs: list[tuple[Path, str]] = []
    for word in text.replace(" ", " \n").split("\n"):
        if (font := _font_of(word)) is not None:
            pieces = [(font, word)]
        else:
            pieces = [(_font_of(cluster) or FONT, cluster) for cluster in _clusters(word)]
        for font, piece in pieces:
            if runs and runs[-1][0] == font:
                runs[-1] = (font, runs[-1][1] + piece)
            else:
                runs.append((font, piece))
    return runs


@cache
def _face(font: Path, size: int) -> ImageFont.FreeTypeFont:
    # The usual font has no scripts that need shaping.
    shaped = font != FONT and features.check("raqm")
    layout = ImageFont.Layout.RAQM if shaped else ImageFont.Layout.BASIC
    return ImageFont.truetype(font, size, layout_engine=layout)


@lru_cache(maxsize=10_000)
def _draws(font: Path, text: str) -> bool:
    """Whether a font's glyphs are seen: those of colour fonts may be empty, or of other sizes."""
    try:
        face = _face(font, 16)
        return all(
            is_mark(character) or face.getmask(character).getbbox() is not None
            for character in text
            if not character.isspace()
        )
    except OSError:
        return False
