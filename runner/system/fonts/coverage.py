"""Which characters a font has, read from its `cmap` table; no library of ours reads that.

Source: OpenType specification 1.9.1, chapters "otff" (files), "cmap" (formats 4 and 12).
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from functools import cache, lru_cache
from pathlib import Path
from typing import BinaryIO, Protocol

LARGEST = 4 << 20
"""Bytes of a `cmap` table; those of fonts with 65,535 glyphs have less than a tenth."""


@lru_cache(maxsize=100_000)
def has_character(font: Path, character: str) -> bool:
    """Whether the first font of a file has a glyph for it; no, where it cannot be read."""
    try:
        return any(subtable.has(ord(character)) for subtable in _subtables(font))
    except struct.error:
        return False


class _Subtable(Protocol):
    def has(self, code: int) -> bool: ...


@cache
def _subtables(font: Path) -> tuple[_Subtable, ...]:
    try:
        with font.open("rb") as file:
            table = _table(file, b"cmap")
        (count,) = struct.unpack_from(">2xH", table)
        found: list[_Subtable] = []
        for number in range(count):
            platform, encoding, offset = struct.unpack_from(">HHI", table, 4 + 8 * number)
            # Unicode, or Windows with Unicode.
            if platform == 0 or (platform == 3 and encoding in (1, 10)):
                (form,) = struct.unpack_from(">H", table, offset)
                if form == 4:
                    found.append(_Segments(table[offset:]))
                elif form == 12:
                    found.append(_Groups(table[offset:]))
    except (OSError, ValueError, struct.error):
        return ()
    return tuple(found)


def _table(file: BinaryIO, name: bytes) -> bytes:
    if file.read(4) == b"ttcf":
        file.seek(12)
        file.seek(struct.unpack(">I", file.read(4))[0] + 4)
    (count,) = struct.unpack(">H6x", file.read(8))
    for _ in range(count):
        tag, _, offset, length = struct.unpack(">4sIII", file.read(16))
        if tag == name and length <= LARGEST:
            file.seek(offset)
            return file.read(length)
    raise ValueError(f"no table {name!r}")


class _Segments:
    """Format 4."""

    def __init__(self, table: bytes) -> None:
        self.table = table
        count = struct.unpack_from(">H", table, 6)[0] // 2
        self.offsets_at = 16 + 6 * count
        starts = (14, 16 + 2 * count, 16 + 4 * count, self.offsets_at)
        self.ends, self.starts, self.deltas, self.offsets = (
            struct.unpack_from(f">{count}H", table, start) for start in starts
        )

    def has(self, code: int) -> bool:
        n = bisect_left(self.ends, code)
        if n == len(self.ends) or code < self.starts[n]:
            return False
        glyph = code
        if self.offsets[n]:
            place = self.offsets_at + 2 * n + self.offsets[n] + 2 * (code - self.starts[n])
            (glyph,) = struct.unpack_from(">H", self.table, place)
            if glyph == 0:
                return False
        return bool((glyph + self.deltas[n]) & 0xFFFF)


class _Groups:
    """Format 12."""

    def __init__(self, table: bytes) -> None:
        (count,) = struct.unpack_from(">I", table, 12)
        if count > len(table) // 12:
            raise ValueError("a damaged table")
        numbers = struct.unpack_from(f">{3 * count}I", table, 16)
        self.firsts, self.lasts, self.glyphs = numbers[::3], numbers[1::3], numbers[2::3]

    def has(self, code: int) -> bool:
        n = bisect_left(self.lasts, code)
        if n == len(self.lasts) or code < self.firsts[n]:
            return False
        return bool(self.glyphs[n] + code - self.firsts[n])
