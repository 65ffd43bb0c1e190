"""Fonts of matplotlib's text, also inside PDF and SVG files. Imports matplotlib."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Iterable
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont, TTLibError
from matplotlib.font_manager import FontEntry, fontManager

from runner.analysis.lettering import drawable, fonts_of

ALWAYS = frozenset(map(chr, range(32, 127))) | frozenset("–−×…")
"""What axes may show besides the texts."""
EPOCH = 2_082_844_800
"""1970, in seconds since 1904, as fonts count them."""
HEIGHTS = (
    "version", "fsSelection", "sTypoAscender", "sTypoDescender", "sTypoLineGap", "usWinAscent",
    "usWinDescent", "sxHeight", "sCapHeight",
)  # fmt: skip
LARGEST_ERROR = 0.5
"""Of a quadratic curve that stands for a cubic one, in thousandths of the type size."""


def families(texts: Iterable[str]) -> list[str]:
    """matplotlib's families for texts that `drawable` made: it tries them for each character."""
    known = list(texts)
    return [_family(_truetype(font, _used(font, known))) for font in fonts_of(known)]


def font_faces(texts: Iterable[str]) -> str:
    """CSS that holds the fonts of `families`, with no more than the characters of the texts."""
    known = list(texts)
    rules = []
    for font in fonts_of(known):
        used = _used(font, known)
        if not used:
            continue
        data = base64.b64encode(_subset(_truetype(font, used), used)).decode()
        name = _family(_truetype(font, used))
        rules.append(
            f"@font-face {{ font-family: '{name}'; src: url(data:font/ttf;base64,{data}); }}"
        )
    return "\n".join(rules)


def _family(font: Path) -> str:
    # A name of our own: another font of the machine may have the font's name. The path stays out
    # of it, as SVG files hold the name.
    name = f"kandinsky {font.stem} {sha256(str(font.parent.name).encode()).hexdigest()[:8]}"
    if all(entry.name != name for entry in fontManager.ttflist):
        fontManager.ttflist.append(FontEntry(fname=str(font), name=name))
    return name


def _used(font: Path, texts: Iterable[str]) -> str:
    """The characters that a font may draw, in order."""
    wanted = ALWAYS | {character for text in texts for character in drawable(text)}
    return "".join(sorted(wanted & _characters(font)))


@cache
def _characters(font: Path) -> frozenset[str]:
    try:
        with _opened(font) as read:
            return frozenset(map(chr, read.getBestCmap() or {}))
    except (TTLibError, OSError):  # an installed font that is damaged
        return frozenset()


def _opened(font: Path) -> Any:
    return TTFont(font, fontNumber=0, lazy=True)


@lru_cache(maxsize=200)
def _truetype(font: Path, characters: str) -> Path:
    """A TrueType font of these characters in place of one with cubic curves (CFF): matplotlib
    would put that into a PDF as if it were TrueType, which not all readers take.
    """
    if not characters:
        return font
    with _opened(font) as read:
        if "CFF " not in read:
            return font
        cmap, glyphs = read.getBestCmap(), read.getGlyphSet()
        chosen = {ord(each): cmap[ord(each)] for each in characters}
        order = list(dict.fromkeys([".notdef", *chosen.values()]))
        made = FontBuilder(read["head"].unitsPerEm, isTTF=True)
        # The same texts give the same bytes.
        made.updateHead(created=EPOCH, modified=EPOCH)
        made.setupGlyphOrder(order)
        made.setupCharacterMap(chosen)
        outlines = {}
        for name in order:
            pen = TTGlyphPen(None)
            error = LARGEST_ERROR * read["head"].unitsPerEm / 1000
            glyphs[name].draw(Cu2QuPen(pen, error, reverse_direction=True))
            outlines[name] = pen.glyph()
        made.setupGlyf(outlines)
        table = made.font["glyf"]
        made.setupHorizontalMetrics(
            {name: (read["hmtx"][name][0], getattr(table[name], "xMin", 0)) for name in order}
        )
        head = read["hhea"]
        made.setupHorizontalHeader(ascent=head.ascent, descent=head.descent, lineGap=head.lineGap)
        name = read["name"].getDebugName(6) or font.stem
        made.setupNameTable({"familyName": name, "styleName": "Regular", "psName": name})
        # Lines are placed by these.
        lines = {
            name: getattr(read["OS/2"], name) for name in HEIGHTS if hasattr(read["OS/2"], name)
        }
        made.setupOS2(**lines)
        made.setupPost()
    file = _folder() / sha256(characters.encode()).hexdigest()[:8] / f"{font.stem}.ttf"
    file.parent.mkdir(exist_ok=True)
    made.font.recalcTimestamp = False
    made.save(file)
    return file


@cache
def _folder() -> Path:
    _folders.append(tempfile.TemporaryDirectory(prefix="kandinsky-fonts-"))
    return Path(_folders[-1].name)


_folders: list[Any] = []
"""Removed when the process ends."""


@lru_cache(maxsize=50)
def _subset(font: Path, characters: str) -> bytes:
    """A font file with these characters alone."""
    with TTFont(font, fontNumber=0, recalcTimestamp=False) as read:
        subsetter = Subsetter(Options(layout_features=["*"], notdef_outline=True, hinting=False))
        subsetter.populate(unicodes=map(ord, characters))
        subsetter.subset(read)
        out = io.BytesIO()
        read.save(out)
    return out.getvalue()
