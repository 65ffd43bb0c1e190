"""Text in pictures, in scripts that the shipped fonts have and have not."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, features

from runner.analysis import lettering
from runner.analysis.grids.wrapping import wrapped
from runner.analysis.lettering import draw_text, drawable, text_length, warn_of_substitutes
from runner.system.fonts import FONT, MORE, installed
from runner.system.fonts.coverage import has_character
from unit.made_pictures import Pixels

HANGUL = "빨간 원"
SHIPPED = [
    "vòng tròn đỏ",
    "κύκλος ΰ",
    "красный ўґђ",
    "červený żółć ğış",
    "עיגול אדום",
    "دائرة",
    "♥ 😀 →",
]


@pytest.fixture
def fonts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder, the only one where installed fonts are looked for."""
    folder = tmp_path / "share/fonts"
    folder.mkdir(parents=True)
    monkeypatch.setattr(lettering, "_font_of", lettering._font_of.__wrapped__)
    monkeypatch.setattr(lettering, "_runs", lettering._runs.__wrapped__)
    monkeypatch.setattr("runner.system.fonts.font_folders", lambda: (folder,))
    installed.installed_fonts.cache_clear()
    has_character.cache_clear()
    return folder


def drawn(text: str) -> Pixels:
    image = Image.new("L", (400, 40))
    draw_text(ImageDraw.Draw(image), (5, 5), drawable(text), "white", 16)
    return np.asarray(image)


@pytest.mark.parametrize("text", SHIPPED)
def test_each_letter_of_these_scripts_is_drawn_without_installed_fonts(
    fonts: Path, text: str
) -> None:
    assert drawable(text) == text
    assert not warn_of_substitutes([text])
    absent = drawn("\U000f0000")  # one substitute
    for letter in text.replace(" ", ""):
        assert drawn(letter).any(), letter
        assert (drawn(letter) != absent).any(), letter


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (HANGUL, "▮▮ ▮"),
        ("赤い円", "赤い▮"),
        ("लाल वृत्त", "▮▮ ▮▮▮"),  # a mark is part of its letter's box
        ("👩\u200d🎨\ufe0f", "▮▮"),
        ("e\u0301", "é"),
        ("q\u0e34", "q▮"),
        ("a\u202eb\ufeff\u200b", "ab"),
        ("\x1b[31m\ud800", "▮[31m▮"),
    ],
)
def test_what_no_font_has_is_a_box_and_a_warning(fonts: Path, text: str, shown: str) -> None:
    assert drawable(text) == shown
    warnings = warn_of_substitutes([text, text])
    assert len(warnings) == ("▮" in shown)
    assert all(line.isprintable() for line in warnings)
    if warnings:
        assert "install a font that has them" in warnings[0]
        assert drawn(text).any()


def test_the_warning_names_each_character_once_and_counts_the_rest(fonts: Path) -> None:
    assert "has U+BE68 빨, U+AC04 간, U+C6D0 원: drawn as ▮" in warn_of_substitutes([HANGUL] * 3)[0]
    many = "".join(chr(code) for code in range(0xAC00, 0xAC00 + 30))
    assert "U+AC0B 갋 and 18 more: drawn" in warn_of_substitutes([many])[0]


def font_with(characters: str, glyph: bool = True) -> bytes:
    """A font of squares for some characters; `glyph`: whether they are seen."""
    builder = pytest.importorskip("fontTools.fontBuilder")
    pens = pytest.importorskip("fontTools.pens.ttGlyphPen")
    names = [f"u{ord(character):04X}" for character in characters]
    pen, empty = pens.TTGlyphPen(None), pens.TTGlyphPen(None).glyph()
    for move, point in ((pen.moveTo, (0, 0)), (pen.lineTo, (0, 500)), (pen.lineTo, (500, 500))):
        move(point)
    pen.closePath()
    square = pen.glyph()
    made = builder.FontBuilder(1000, isTTF=True)
    made.setupGlyphOrder([".notdef", *names])
    made.setupCharacterMap(dict(zip(map(ord, characters), names, strict=True)))
    made.setupGlyf({".notdef": empty, **dict.fromkeys(names, square if glyph else empty)})
    made.setupHorizontalMetrics(dict.fromkeys([".notdef", *names], (600, 0)))
    made.setupHorizontalHeader(ascent=800, descent=-200)
    made.setupNameTable({"familyName": "Made", "styleName": "Regular"})
    made.setupOS2()
    made.setupPost()
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("damage", [False, True])
def test_an_installed_font_is_used(fonts: Path, damage: bool) -> None:
    (fonts / "deep").mkdir()
    whole = font_with("빨간원\U0001f3a8")
    (fonts / "deep/Made-Regular.ttf").write_bytes(whole)
    if damage:  # fonts that come first, and are of no use
        (fonts / "A-Regular.ttf").write_bytes(whole[:300])
        (fonts / "B-Regular.ttf").write_bytes(b"no font")
        (fonts / "C-Regular.ttf").write_bytes(font_with("빨간원\U0001f3a8", glyph=False))
        # Its table of characters is whole, and nothing else.
        (fonts / "D-Regular.ttf").write_bytes(whole.replace(b"glyf", b"xxxx", 1))
    assert drawable(f"{HANGUL} \U0001f3a8") == f"{HANGUL} \U0001f3a8"
    assert not warn_of_substitutes([HANGUL])
    assert (drawn("빨") != drawn("▮")).any()
    assert text_length("빨간", 100) == 120


def test_the_plain_sans_serif_of_the_installed_fonts_comes_first(fonts: Path) -> None:
    names = ["Ab-Bold.ttf", "Ab-Italic.otf", "Ab-Regular.TTF", "AbSerif-Regular.ttf", "x.txt"]
    for name in names:
        (fonts / name).touch()
    found = [file.name for file in installed.installed_fonts((fonts, fonts, fonts / "none"))]
    assert found == ["Ab-Regular.TTF", "AbSerif-Regular.ttf", "Ab-Bold.ttf", "Ab-Italic.otf"]


@pytest.mark.skipif(not features.check("raqm"), reason="this Pillow has no Raqm")
def test_letters_are_joined_and_written_from_right_to_left(fonts: Path) -> None:
    apart = sum(text_length(letter, 100) for letter in "دائرة")
    assert text_length("دائرة", 100) < apart
    line = drawn("אי")
    wide, narrow = drawn("א"), drawn("י")
    # The second letter, a narrow one, is at the left.
    start = np.flatnonzero(line.any(axis=0))[0]
    ink = np.flatnonzero(narrow.any(axis=0))
    width = ink[-1] - ink[0] + 1
    assert (line[:, start : start + width] == narrow[:, ink[0] : ink[0] + width]).mean() > 0.95
    assert wide.sum() > narrow.sum()


def test_a_font_tells_its_characters() -> None:
    tables = pytest.importorskip("fontTools.ttLib")
    for font in (FONT, MORE):
        expected = set(tables.TTFont(font).getBestCmap())
        assert expected == {
            code for code in range(0x20000) if has_character.__wrapped__(font, chr(code))
        }


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=40), st.integers(20, 200))
def test_any_text_is_drawn_within_its_width(text: str, width: int) -> None:
    for line in wrapped(text, width, 1000):
        assert text_length(line, 13) <= width or len(line) <= 2
        assert drawn(line).any()


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=60), st.sampled_from([4, 12]))
def test_a_damaged_table_of_characters_is_one_without_them(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, form: int
) -> None:
    font = tmp_path_factory.getbasetemp() / f"{content.hex()[:80]}{form}.ttf"
    table = struct.pack(">HHHHI", 0, 1, 3, 10, 12) + struct.pack(">H", form) + content
    head = b"\0\1\0\0" + struct.pack(">H6x", 1) + struct.pack(">4sIII", b"cmap", 0, 28, len(table))
    font.write_bytes(head + table)
    assert has_character(font, "한") in (True, False)
    font.unlink()
