"""Fonts of pictures that hold text: two that ship, with their licences, and those installed here.

DejaVuSans-subset.ttf is DejaVu Sans 2.37, without hints, and renamed as its licence asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from runner.system.fonts.coverage import has_character
from runner.system.fonts.installed import font_folders, installed_fonts

FONT = Path(__file__).parent / "NotoSansCJKsc-Regular-subset.otf"
"""Latin, Greek, Cyrillic, kana, and the 3755 most common Chinese characters."""
MORE = Path(__file__).parent / "DejaVuSans-subset.ttf"
"""All letters of Latin (also of Vietnamese), Greek and Cyrillic; Armenian, Georgian, Hebrew,
Arabic; arrows, signs of mathematics, and some symbols and faces.
"""
SHIPPED = (FONT, MORE)


def fonts_with(text: str) -> Iterator[Path]:
    """The fonts that have all characters of a text; those that ship first.

    The installed ones are not looked at before they are asked for.
    """
    yield from (font for font in SHIPPED if _has_all(font, text))
    yield from (font for font in installed_fonts(font_folders()) if _has_all(font, text))


def _has_all(font: Path, text: str) -> bool:
    return all(has_character(font, each) for each in text)
