"""Embedded colour profiles."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from runner.api.inputs import with_files
from runner.images.inputs import mask_of_file, open_rgb
from unit.made_pictures import (
    BLACK,
    BLUE,
    GREEN,
    RED,
    WHITE,
    gradient,
    largest_difference,
    pixels_of,
    row,
    saved,
)


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """A profile in which the first number of a pixel is green and the second one red."""
    profile = srgb_profile()
    for kind in (b"XYZ", b"TRC"):
        profile = profile.replace(b"r" + kind, b"????").replace(b"g" + kind, b"r" + kind)
        profile = profile.replace(b"????", b"g" + kind)
    return profile


def nearly_srgb_profile() -> bytes:
    """sRGB with a red that is a very little less bright, as profiles of other makers differ."""
    profile = srgb_profile()
    count = struct.unpack(">I", profile[128:132])[0]
    entries = [struct.unpack(">4sII", profile[132 + 12 * i : 144 + 12 * i]) for i in range(count)]
    start = next(start for name, start, _ in entries if name == b"rXYZ") + 8
    darker = [number * 99 // 100 for number in struct.unpack(">iii", profile[start : start + 12])]
    return profile[:start] + struct.pack(">iii", *darker) + profile[start + 12 :]


def profile_of(space: bytes, connection: bytes, name: bytes, content: bytes) -> bytes:
    """A small ICC profile: a white point, and one tag that says what the numbers mean."""
    white = b"XYZ \0\0\0\0" + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)
    start = 128 + 4 + 2 * 12
    table = struct.pack(">I", 2) + b"wtpt" + struct.pack(">II", start, len(white))
    table += name + struct.pack(">II", start + len(white), len(content))
    size = start + len(white) + len(content)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, b"scnr", space, connection)
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)
    return header.ljust(128, b"\0") + table + white + content


def linear_grey_profile() -> bytes:
    """Grey whose numbers are amounts of light, without the curve that sRGB has."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, 256) + b"\0\0"
    return profile_of(b"GRAY", b"XYZ ", b"kTRC", curve)


def ink_profile() -> bytes:
    """CMYK in which only cyan and black darken: to the greys of lightness 50 and 20 of 100."""
    identity = bytes(range(256))
    corners = b""
    for corner in range(16):  # cyan varies slowest
        cyan, black = corner & 8, corner & 1
        corners += bytes([51 if black else 128 if cyan else 255, 128, 128])
    matrix = struct.pack(">9i", *(0x10000 if i % 4 == 0 else 0 for i in range(9)))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + identity * 4 + corners + identity * 3
    return profile_of(b"CMYK", b"Lab ", b"A2B1", table)


def test_colours_of_a_profile_are_brought_to_srgb(tmp_path: Path) -> None:
    for kind, tolerance in (("png", 1), ("tif", 1), ("jpg", 6)):
        image = Image.new("RGB", (8, 8), (200, 30, 60))
        options = {"quality": 95} if kind == "jpg" else {}
        path = saved(tmp_path / f"x.{kind}", image, icc_profile=swapped_profile(), **options)
        found = np.array(pixels_of(open_rgb(path)))
        assert np.abs(found - (30, 200, 60)).max() <= tolerance, kind


def test_a_profile_keeps_transparency_and_palette(tmp_path: Path) -> None:
    image = row((*RED, 255), (*RED, 0), mode="RGBA")
    path = saved(tmp_path / "x.png", image, icc_profile=swapped_profile())
    found = np.array(pixels_of(open_rgb(path)))
    assert np.abs(found - np.array([GREEN, WHITE])).max() <= 1
    palette = row((0,), (1,), mode="P")
    palette.putpalette([*RED, *BLUE])
    path = saved(tmp_path / "p.png", palette, icc_profile=swapped_profile())
    found = np.array(pixels_of(open_rgb(path)))
    assert np.abs(found - np.array([GREEN, BLUE])).max() <= 1


def test_a_grey_profile(tmp_path: Path) -> None:
    # sRGB's number for 128/255 of the light is 188.
    for mode, value in (("L", (128,)), ("LA", (128, 255))):
        path = saved(tmp_path / "x.png", row(value, mode=mode), icc_profile=linear_grey_profile())
        assert abs(pixels_of(open_rgb(path))[0][0] - 188) <= 1, mode


def test_a_profile_is_not_applied_to_lab(tmp_path: Path) -> None:
    image = Image.new("LAB", (4, 2), (128, 180, 100))
    plain = saved(tmp_path / "x.tif", image)
    described = saved(tmp_path / "y.tif", image, icc_profile=swapped_profile())
    assert largest_difference(open_rgb(plain), open_rgb(described)) == 0


def test_a_profile_of_inks(tmp_path: Path) -> None:
    inks = row((0, 0, 0, 0), (255, 0, 0, 0), (0, 255, 255, 0), (0, 0, 0, 255), mode="CMYK")
    path = saved(tmp_path / "x.tif", inks, icc_profile=ink_profile())
    found = np.array(pixels_of(open_rgb(path)))
    # The darkest ink becomes black, as it looks on paper, and takes the others along: lightness 50
    # is 0.184 of white's light, 20 is 0.030; (0.184 - 0.030) / (1 - 0.030) is sRGB's grey 111.
    expected = np.array([WHITE, (111, 111, 111), WHITE, BLACK])
    assert np.abs(found - expected).max() <= 3


@pytest.mark.parametrize("kind", ["rgb", "inks", "lab"])
def test_a_picture_in_memory_has_the_colours_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "cache"))
    inks = row((255, 0, 0, 0), (0, 255, 255, 0), mode="CMYK")
    lab = Image.new("LAB", (4, 2), (128, 180, 100))
    image, profile = {
        "rgb": (Image.new("RGB", (8, 8), (200, 30, 60)), swapped_profile()),
        "inks": (inks, ink_profile()),
        "lab": (lab, swapped_profile()),
    }[kind]
    path = saved(tmp_path / "x.tif", image, icc_profile=profile)
    with Image.open(path) as opened:
        kept = with_files({"image": opened})["image"]
    assert largest_difference(open_rgb(path), open_rgb(Path(kept))) == 0


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", srgb_profile()),
        ("RGB", nearly_srgb_profile()),
        ("RGB", b"nonsense"),
        ("RGB", swapped_profile()[:300]),
        ("RGB", linear_grey_profile()),  # of other pixels than these
        ("L", swapped_profile()),
    ],
)
def test_a_profile_without_use_changes_no_pixel(tmp_path: Path, mode: str, profile: bytes) -> None:
    image = gradient().convert(mode)
    path = saved(tmp_path / "x.png", image, icc_profile=profile)
    with Image.open(path) as again:
        assert again.info["icc_profile"] == profile
    assert largest_difference(open_rgb(path), image.convert("RGB")) == 0


def test_a_profile_does_not_move_the_middle_of_a_mask(tmp_path: Path) -> None:
    image = row((100,), (127,), (128,), mode="L")
    path = saved(tmp_path / "x.png", image, icc_profile=linear_grey_profile())
    assert np.asarray(mask_of_file(path, invert=False)).tolist() == [[0, 0, 255]]
