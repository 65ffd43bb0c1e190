"""Fonts of matplotlib's text. Imports matplotlib."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from matplotlib.font_manager import FontEntry, fontManager

from runner.analysis.lettering import fonts_of


def families(texts: Iterable[str]) -> list[str]:
    """matplotlib's families for texts that `drawable` made: it tries them for each character."""
    return [_family(font) for font in fonts_of(texts)]


def _family(font: Path) -> str:
    # A name of our own: another font of the machine may have the font's name.
    name = f"kandinsky {font}"
    if all(entry.name != name for entry in fontManager.ttflist):
        fontManager.ttflist.append(FontEntry(fname=str(font), name=name))
    return name
