"""PNGs whose chunks tell of their colours. Expected numbers: what Chromium 150 draws."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.images.inputs import check_image, mask_of_file, open_rgb
from runner.planning.planner import make_plan
from unit.conftest import Compose
from unit.made_pictures import pixels_of, png_chunk, png_file

Chunk = tuple[bytes, bytes]
Factory = pytest.TempPathFactory

SRGB = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
P3 = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
PROPHOTO = (34567, 35850, 73470, 26530, 11596, 84040, 3660, 10)
ON_A_LINE = (31270, 32900, 20000, 20000, 30000, 30000, 40000, 40000)
LINEAR = (b"gAMA", struct.pack(">I", 100_000))
IS_SRGB = (b"sRGB", b"\0")
PLAIN = [(10, 70, 245), (100, 188, 155)]
OF_LIGHT = [(56, 143, 251), (168, 223, 205)]


def gamma(value: int) -> Chunk:
    return b"gAMA", struct.pack(">I", value)


def primaries(values: tuple[int, ...]) -> Chunk:
    return b"cHRM", struct.pack(">8I", *values)


def cicp(*values: int) -> Chunk:
    return b"cICP", bytes(values)


def described(path: Path, *chunks: Chunk, kind: int = 2, raw: bytes | None = None) -> Path:
    """A PNG of two pixels, with chunks between its header and what follows."""
    if raw is None:
        raw = b"\0" + b"".join(map(bytes, PLAIN))
    png_file(path, (2, 1), 8, kind, raw)
    content = path.read_bytes()
    path.write_bytes(content[:33] + b"".join(png_chunk(*c) for c in chunks) + content[33:])
    return path


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([LINEAR], OF_LIGHT),
        ([LINEAR, primaries(SRGB)], OF_LIGHT),
        ([gamma(45455), primaries(SRGB)], [(3, 68, 245), (100, 189, 156)]),
        ([gamma(45455), primaries(P3)], [(0, 70, 255), (57, 192, 154)]),
        ([gamma(55556), primaries(PROPHOTO)], [(0, 96, 255), (0, 214, 168)]),
        ([cicp(12, 13, 0, 1), LINEAR], [(0, 71, 255), (58, 191, 153)]),
        ([cicp(9, 14, 0, 1)], [(0, 59, 255), (0, 192, 146)]),
        # Near the usual gamma nothing changes, as long as nothing is told of the primaries.
        ([gamma(45455)], PLAIN),
        ([gamma(47700)], PLAIN),
        ([gamma(43200)], PLAIN),
        ([gamma(50000)], [(5, 78, 246), (109, 195, 164)]),
        ([primaries(P3)], PLAIN),
        # sRGB, iCCP and cICP go before gAMA and cHRM.
        ([LINEAR, IS_SRGB], PLAIN),
        ([cicp(1, 13, 0, 1), LINEAR], PLAIN),
        ([(b"iCCP", b"x\0\0" + zlib.compress(b"nonsense")), LINEAR], PLAIN),
        # What tells nothing is left out: unknown or narrow cICP, no gamma, no primaries.
        ([cicp(2, 2, 0, 1), LINEAR], OF_LIGHT),
        ([cicp(1, 13, 0, 0), LINEAR], OF_LIGHT),
        ([LINEAR, primaries((0,) * 8)], OF_LIGHT),
        ([LINEAR, primaries(ON_A_LINE)], OF_LIGHT),
        ([LINEAR, gamma(45455)], OF_LIGHT),
        ([gamma(0), primaries(P3)], PLAIN),
        ([gamma(1)], [(0, 0, 0), (0, 0, 0)]),
        ([gamma(2**31 - 1)], [(255, 255, 255), (255, 255, 255)]),
    ],
)
def test_colours_told_by_chunks(
    tmp_path: Path, chunks: list[Chunk], expected: list[tuple[int, int, int]]
) -> None:
    found = pixels_of(open_rgb(described(tmp_path / "x.png", *chunks)))
    assert np.abs(np.array(found) - expected).max() <= (0 if expected is PLAIN else 1)


def test_grey_palette_and_transparency_of_a_png_with_gamma(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    grey = pixels_of(open_rgb(described(path, LINEAR, kind=0, raw=b"\0\x0a\x64")))
    assert np.abs(np.array(grey) - [(56,) * 3, (168,) * 3]).max() <= 1
    palette = (b"PLTE", b"".join(map(bytes, PLAIN)))
    found = pixels_of(open_rgb(described(path, LINEAR, palette, kind=3, raw=b"\0\0\1")))
    assert np.abs(np.array(found) - OF_LIGHT).max() <= 1
    clear = (b"tRNS", b"\0")
    found = pixels_of(open_rgb(described(path, LINEAR, palette, clear, kind=3, raw=b"\0\0\1")))
    assert np.abs(np.array(found) - [(255,) * 3, OF_LIGHT[1]]).max() <= 1


def test_gamma_behind_the_pixels_is_not_read(tmp_path: Path) -> None:
    path = described(tmp_path / "x.png")
    content = path.read_bytes()
    path.write_bytes(content[:-12] + png_chunk(*LINEAR) + content[-12:])
    assert pixels_of(open_rgb(path)) == PLAIN


def test_gamma_does_not_move_the_middle_of_a_mask(tmp_path: Path) -> None:
    path = described(tmp_path / "x.png", LINEAR, kind=0, raw=b"\0\x7f\x80")
    assert np.asarray(mask_of_file(path, invert=False)).tolist() == [[0, 255]]


NUMBERS = st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 100_000), st.sampled_from(SRGB))
CONTENTS = st.one_of(
    st.binary(max_size=40),
    NUMBERS.map(lambda value: struct.pack(">I", value)),
    st.lists(NUMBERS, min_size=8, max_size=8).map(lambda values: struct.pack(">8I", *values)),
    st.tuples(st.integers(0, 20), st.integers(0, 20), st.just(0), st.just(1)).map(bytes),
)
CHUNKS = st.lists(st.tuples(st.sampled_from([b"gAMA", b"cHRM", b"cICP", b"sRGB"]), CONTENTS))


def test_whatever_the_chunks_hold_the_picture_is_read(tmp_path_factory: Factory) -> None:
    path = tmp_path_factory.mktemp("chunks") / "x.png"

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(CHUNKS)
    @example([primaries((33333,) * 8), LINEAR])
    @example([primaries((100_000, 1) * 4), LINEAR])
    def read(chunks: list[Chunk]) -> None:
        # Pillow refuses lengths that the specification forbids.
        short = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1}
        if all(len(content) >= short.get(name, 0) for name, content in chunks):
            assert open_rgb(described(path, *chunks)).size == (2, 1)

    read()


def test_only_pictures_that_gamma_changes_have_a_key_of_their_own(
    composed: Compose, tmp_path: Path
) -> None:
    told = described(tmp_path / "told.png", LINEAR)
    usual = described(tmp_path / "usual.png", gamma(45455))
    assert check_image(told, "image").by_chunks
    assert not check_image(usual, "image").by_chunks
    params = []
    for path in (told, usual):
        plan = make_plan(composed("task=img2img", "prompt=x", f"inputs.image={path}"))
        params += [n.params for n in plan.graph.in_order() if n.stage == "read_image"]
    assert ["colours" in each for each in params] == [True, False]
