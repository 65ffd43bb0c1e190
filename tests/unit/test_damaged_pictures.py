"""Bytes that may be a picture: each gives a picture or one error, and nothing else is said."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from runner.errors import ConfigError
from runner.images.decode import UnusableError, decode_picture
from runner.images.inputs import check_image
from runner.images.png import png_bytes, read_png
from unit.made_pictures import png_chunk, row

FUZZED = 1500
"""Mutated files for each run of the tests."""

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8))


def _files() -> dict[str, bytes]:
    """Small pictures of every kind that is read, by name."""
    turned = {"save_all": True, "append_images": [NOISE.rotate(90)]}
    black = NOISE.convert("1")
    deep = Image.fromarray(np.arange(480, dtype=np.uint16).reshape(24, 20) * 130)
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [
        *((NOISE, kind, {}) for kind in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM")),
        *((NOISE, kind, turned) for kind in ("PNG", "GIF")),
        *((NOISE, "TIFF", {"compression": how}) for how in ("tiff_lzw", "jpeg", "packbits")),
        *((NOISE, "TIFF", {"compression": how}) for how in ("tiff_adobe_deflate", "tiff_lzma")),
        *((black, "TIFF", {"compression": how}) for how in ("group3", "group4")),
        (NOISE.quantize(16), "PNG", {"transparency": bytes(range(16))}),
        (deep, "PNG", {}),
        (deep, "TIFF", {}),
        (NOISE.convert("CMYK"), "JPEG", {}),
        (NOISE, "JPEG", {"progressive": True}),
        (black, "PPM", {}),
    ]
    for feature, kind in (("webp", "WEBP"), ("avif", "AVIF"), ("jpg_2000", "JPEG2000")):
        kinds += [(NOISE, kind, {})] if features.check(feature) else []
    files = {}
    for number, (image, kind, options) in enumerate(kinds):
        buffer = BytesIO()
        image.save(buffer, kind, **options)
        files[f"{number} {kind}"] = buffer.getvalue()
    return files


FILES = _files()
# Most of what steers a reader is at the beginning.
PLACES = st.one_of(st.integers(0, 40), st.integers(0, 400), st.integers(0, 4000))
EDITS = st.lists(
    st.tuples(PLACES, st.one_of(st.sampled_from([0, 1, 127, 128, 255]), st.integers(0, 255))),
    min_size=1,
    max_size=6,
)


@contextmanager
def said() -> Iterator[list[bytes]]:
    """What is written to file descriptor 2, also by libraries in C."""
    found: list[bytes] = []
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield found
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            found.append(file.read())


def test_mutated_pictures_are_pictures_or_one_error() -> None:
    outcomes = {"picture": 0, "error": 0}

    @settings(max_examples=FUZZED, deadline=None, derandomize=True, database=None)
    @given(st.sampled_from(sorted(FILES)), EDITS, st.one_of(st.none(), PLACES))
    def mutate(name: str, edits: list[tuple[int, int]], end: int | None) -> None:
        content = bytearray(FILES[name])
        for place, value in edits:
            content[place % len(content)] = value
        try:
            decode_picture(BytesIO(content[:end])).rgb()
            outcomes["picture"] += 1
        except UnusableError:
            outcomes["error"] += 1

    with said() as words:
        mutate()
    assert words == [b""]
    assert min(outcomes.values()) > FUZZED // 10, outcomes


def damaged_tiff(path: Path, compression: str) -> Path:
    """One whose strip ends in the middle."""
    buffer = BytesIO()
    NOISE.save(buffer, "TIFF", compression=compression)
    content = bytearray(buffer.getvalue())
    with Image.open(BytesIO(content)) as image:
        (start,), (length,) = image.tag_v2[273], image.tag_v2[279]  # type: ignore[attr-defined]
    content[start + length // 2 : start + length] = bytes(length - length // 2)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_libtiff_says_nothing_of_a_damaged_strip(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], compression: str
) -> None:
    path = damaged_tiff(tmp_path / "x.tif", compression)
    with Image.open(path) as image, pytest.raises(OSError, match="decoder error"):
        image.load()
    assert capfd.readouterr().err, "libtiff has nothing to say of this file"
    with pytest.raises(ConfigError, match="is damaged or cut short"):
        check_image(path, "inputs.image")
    assert capfd.readouterr().err == ""


def test_pillow_logs_nothing_of_a_strange_tiff(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    NOISE.save(tmp_path / "x.tif")
    content = (tmp_path / "x.tif").read_bytes()
    three, many = struct.pack("<HHI", 277, 3, 1), struct.pack("<HHIHH", 277, 3, 1, 999, 0)
    start = content.index(three)
    (tmp_path / "x.tif").write_bytes(content[:start] + many + content[start + len(many) :])
    with pytest.raises(ConfigError, match="is no picture of a known kind"):
        check_image(tmp_path / "x.tif", "inputs.image")
    assert not caplog.records
    assert capfd.readouterr().err == ""


def test_a_kept_picture_with_a_wrong_count_of_frames_warns_of_nothing(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    whole = png_bytes(row((1, 2, 3)))
    path = tmp_path / "x.png"
    path.write_bytes(whole[:33] + png_chunk(b"acTL", bytes(8)) + whole[33:])
    assert read_png(path).size == (1, 1)
    # Pillow's are of this kind; others come of what earlier tests left to be collected.
    assert [one for one in recwarn.list if issubclass(one.category, UserWarning)] == []
