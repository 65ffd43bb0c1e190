"""What the chunks of a PNG tell of its colours, as an ICC profile.

PNG specification, third edition: sections 11.3.2 (the chunks) and 13.13 (gAMA). Where it leaves
something open, as Chromium 150 does it: gAMA without cHRM is of sRGB's primaries, and changes
nothing within 5 % of 1/2.2; cHRM without gAMA changes nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO, TypeAlias

Curve: TypeAlias = tuple[float, ...]
"""How much light a number stands for: g, or g, a, b, c, d as in ICC's parametricCurveType 3."""

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LONGEST = 64
"""Bytes that are read of a chunk: more than any has that is used here."""
UNIT = 100_000
"""gAMA and cHRM are in units of 1/UNIT."""
USUAL_GAMMA, GAMMA_TOLERANCE = 1 / 2.2, 0.05
STEEPEST = 32767.0
"""The largest exponent that a profile can hold."""

D65 = (0.3127, 0.3290)
SRGB = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""x and y of white, red, green and blue."""
# ITU-T H.273, tables 2 and 3. Not here: PQ and HLG, whose light has no place in 8 bits of sRGB;
# the specification then has the next chunk in order decide.
CICP_PRIMARIES = {
    1: SRGB,
    5: (*D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (*D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    12: (*D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
BT1886: Curve = (2.4,)
"""How displays show what cameras encode by BT.601, BT.709 and BT.2020."""
CICP_CURVES: dict[int, Curve] = {
    1: BT1886,
    4: (2.2,),
    5: (2.8,),
    6: BT1886,
    8: (1.0,),
    13: (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
    14: BT1886,
    15: BT1886,
}
# Bradford's cones, and ICC's white: how a profile tells colours seen under another white.
BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
D50 = (0.9642, 1.0, 0.8249)


def profile_by_chunks(file: BinaryIO) -> bytes | None:
    """An RGB profile of a PNG's numbers, also where they are grey.

    The first of these decides: cICP, iCCP, sRGB, gAMA with cHRM.

    Args:
        file: a PNG whose checksums are right.

    Returns:
        None: iCCP decides, or the numbers are sRGB.
    """
    chunks: dict[bytes, bytes] = {}
    for name, content in _chunks(file):
        chunks.setdefault(name, content)
    told = _told_by_cicp(chunks.get(b"cICP", b""))
    if told is None and not chunks.keys() & {b"iCCP", b"sRGB"}:
        told = _told_by_gamma(chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b""))
    if told is None:
        return None
    curve, primaries = told
    columns = _colorants(primaries)
    assert columns is not None
    tags = {b"rgb"[n : n + 1] + b"XYZ": _xyz(column) for n, column in enumerate(columns)}
    tags |= {name: _curve(curve) for name in (b"rTRC", b"gTRC", b"bTRC")}
    return _profile(tags)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Those before the pixels: behind them no chunk tells of colours."""
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"IDAT":
            return
        start = file.tell()
        yield name, file.read(min(length, LONGEST))
        file.seek(start + length + 4)


def _told_by_cicp(content: bytes) -> tuple[Curve, Sequence[float]] | None:
    if len(content) != 4:
        return None
    primaries, curve, matrix, full_range = content
    if (
        primaries not in CICP_PRIMARIES
        or curve not in CICP_CURVES
        or (matrix, full_range) != (0, 1)
    ):
        return None
    return CICP_CURVES[curve], CICP_PRIMARIES[primaries]


def _told_by_gamma(gamma: bytes, chromaticities: bytes) -> tuple[Curve, Sequence[float]] | None:
    if len(gamma) != 4 or not (number := int.from_bytes(gamma, "big")):
        return None
    curve = (min(UNIT / number, STEEPEST),)
    if len(chromaticities) == 32:
        primaries = [value / UNIT for value in struct.unpack(">8I", chromaticities)]
        if _colorants(primaries) is not None:
            return curve, primaries
    usual = abs(number / UNIT / USUAL_GAMMA - 1) <= GAMMA_TOLERANCE
    return None if usual else (curve, SRGB)


def _colorants(primaries: Sequence[float]) -> list[tuple[float, ...]] | None:
    """X, Y, Z of red, green and blue, adapted to ICC's white. None: they span no colours."""
    import numpy as np

    if max(primaries) > 1 or primaries[1] == 0:
        return None
    white, *colours = (
        np.array([x, y, 1 - x - y]) for x, y in zip(primaries[::2], primaries[1::2], strict=True)
    )
    white /= white[1]
    matrix, cones = np.stack(colours, axis=1), np.array(BRADFORD)
    if abs(np.linalg.det(matrix)) < 1e-6:
        return None
    matrix = matrix * np.linalg.solve(matrix, white)
    adapted = np.diag((cones @ np.array(D50)) / (cones @ white))
    matrix = np.linalg.solve(cones, adapted @ cones @ matrix)
    if not np.isfinite(matrix).all() or np.abs(matrix).max() >= STEEPEST:
        return None
    return [tuple(column) for column in matrix.T.tolist()]


def _fixed(*numbers: float) -> bytes:
    """ICC's s15Fixed16Number."""
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def _xyz(numbers: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*numbers)


def _curve(curve: Curve) -> bytes:
    return b"para\0\0\0\0" + struct.pack(">HH", 3 if len(curve) > 1 else 0, 0) + _fixed(*curve)


def _profile(tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile, version 4 (ICC.1:2022), of an RGB display."""
    tags = {b"wtpt": _xyz(D50), **tags}
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    header = struct.pack(">I4xI", start + len(body), 0x04300000) + b"mntrRGB XYZ "
    header += bytes(12) + b"acsp" + bytes(28) + _fixed(*D50)
    return header.ljust(128, b"\0") + table + body
