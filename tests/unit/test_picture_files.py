"""Decoding picture files of all kinds to pixels."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from runner.images.inputs import check_image, mask_of_file, open_rgb
from unit.made_pictures import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    RED,
    WHITE,
    gradient,
    largest_difference,
    pixels_of,
    png_file,
    row,
    saved,
)


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("x.png", {}, 0),
        ("x.bmp", {}, 0),
        ("x.ppm", {}, 0),
        ("x.tif", {}, 0),
        ("lzw.tif", {"compression": "tiff_lzw"}, 0),
        ("lossless.webp", {"lossless": True}, 0),
        ("x.jpg", {"quality": 95, "subsampling": 0}, 4),
        ("progressive.jpg", {"quality": 95, "subsampling": 0, "progressive": True}, 4),
        ("x.webp", {"quality": 100}, 12),
        ("x.avif", {"quality": 100}, 8),
        ("x.gif", {}, 24),
    ],
)
def test_kinds_of_files(
    tmp_path: Path, name: str, options: dict[str, object], tolerance: int
) -> None:
    kind = name.rpartition(".")[2]
    if kind in ("webp", "avif") and not features.check(kind):
        pytest.skip(f"this Pillow reads no {kind}")
    path = saved(tmp_path / name, gradient(), **options)
    checked = check_image(path, "image")
    assert (checked.width, checked.height) == (24, 16)
    assert largest_difference(open_rgb(path), gradient()) <= tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "tif"])
def test_a_turned_photo_is_seen_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    # How the camera stored the picture: the turn that undoes the one viewers make.
    stored = {
        1: gradient(),
        2: gradient().transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: gradient().transpose(Image.Transpose.ROTATE_180),
        4: gradient().transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: gradient().transpose(Image.Transpose.TRANSPOSE),
        6: gradient().transpose(Image.Transpose.ROTATE_90),
        7: gradient().transpose(Image.Transpose.TRANSVERSE),
        8: gradient().transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if kind == "jpg" else {}
    path = saved(tmp_path / f"x.{kind}", stored, exif=exif, **options)
    checked = check_image(path, "image")
    assert (checked.width, checked.height) == (24, 16)
    assert largest_difference(open_rgb(path), gradient()) <= (4 if kind == "jpg" else 0)
    assert mask_of_file(path, invert=False).size == (24, 16)


def test_transparency_is_turned_with_its_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    path = saved(tmp_path / "x.png", row((*RED, 255), (*RED, 0), mode="RGBA"), exif=exif)
    upright = open_rgb(path)
    assert upright.size == (1, 2)
    assert pixels_of(upright) == [RED, WHITE]


def test_broken_exif_leaves_the_picture_as_it_lies(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", gradient(), exif=b"Exif\0\0nonsense")
    assert largest_difference(open_rgb(path), gradient()) == 0


def test_transparent_parts_are_white_and_hide_their_colour(tmp_path: Path) -> None:
    image = row((*RED, 0), (*RED, 255), (*BLACK, 128), (*BLUE, 0), mode="RGBA")
    path = saved(tmp_path / "x.png", image)
    assert pixels_of(open_rgb(path)) == [WHITE, RED, (127, 127, 127), WHITE]


def test_grey_with_alpha(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", row((10, 0), (10, 255), (0, 128), mode="LA"))
    assert pixels_of(open_rgb(path)) == [WHITE, (10, 10, 10), (127, 127, 127)]


@pytest.mark.parametrize(
    ("transparency", "expected"),
    [
        (None, [RED, GREEN, BLUE]),
        (1, [RED, WHITE, BLUE]),
        (bytes([255, 0, 127]), [RED, WHITE, (128, 128, 255)]),
    ],
)
def test_palettes(tmp_path: Path, transparency: object, expected: list[tuple[int, ...]]) -> None:
    image = row((0,), (1,), (2,), mode="P")
    image.putpalette([*RED, *GREEN, *BLUE])
    options = {} if transparency is None else {"transparency": transparency}
    path = saved(tmp_path / "x.png", image, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pixels_of(open_rgb(path)) == expected


def test_palette_of_a_gif_with_transparency(tmp_path: Path) -> None:
    image = row((0,), (1,), (2,), mode="P")
    image.putpalette([*RED, *GREEN, *BLUE])
    path = saved(tmp_path / "x.gif", image, transparency=2)
    assert pixels_of(open_rgb(path)) == [RED, GREEN, WHITE]


def test_one_colour_declared_transparent(tmp_path: Path) -> None:
    path = saved(tmp_path / "rgb.png", row(RED, GREEN, (254, 0, 0)), transparency=RED)
    assert pixels_of(open_rgb(path)) == [WHITE, GREEN, (254, 0, 0)]
    path = saved(tmp_path / "l.png", row((7,), (8,), mode="L"), transparency=7)
    assert pixels_of(open_rgb(path)) == [WHITE, (8, 8, 8)]
    path = saved(tmp_path / "1.png", row((0,), (255,), mode="1"), transparency=0)
    assert pixels_of(open_rgb(path)) == [WHITE, WHITE]


def test_one_colour_declared_transparent_in_other_bit_depths(tmp_path: Path) -> None:
    # Two pixels each, the first one transparent.
    four = png_file(tmp_path / "4.png", (2, 1), 4, 0, b"\0\x3f", struct.pack(">H", 3))
    assert pixels_of(open_rgb(four)) == [WHITE, WHITE]
    four = png_file(tmp_path / "4b.png", (2, 1), 4, 0, b"\0\x36", struct.pack(">H", 3))
    assert pixels_of(open_rgb(four)) == [WHITE, (102, 102, 102)]
    # Of the number's two bytes only the bits of the depth count.
    four = png_file(tmp_path / "4c.png", (2, 1), 4, 0, b"\0\x36", struct.pack(">H", 0x13))
    assert pixels_of(open_rgb(four)) == [WHITE, (102, 102, 102)]
    two = png_file(tmp_path / "2.png", (2, 1), 2, 0, b"\0\x60", struct.pack(">H", 1))
    assert pixels_of(open_rgb(two)) == [WHITE, (170, 170, 170)]
    raw = b"\0" + struct.pack(">HH", 0x1234, 0x1235)
    grey = png_file(tmp_path / "16.png", (2, 1), 16, 0, raw, struct.pack(">H", 0x1234))
    assert pixels_of(open_rgb(grey)) == [WHITE, (18, 18, 18)]
    raw = b"\0" + struct.pack(">HHHHHH", 0x1234, 5, 6, 0xFFFF, 0, 0)
    deep = png_file(tmp_path / "48.png", (2, 1), 16, 2, raw, struct.pack(">HHH", 0x1234, 5, 6))
    assert pixels_of(open_rgb(deep)) == [WHITE, RED]


RAMP = np.array([[0, 128, 129, 257, 300, 32767, 32768, 40000, 65406, 65407, 65535]], np.uint16)


def of_16_bits(mode: str) -> Image.Image:
    if mode == "I":
        return Image.fromarray(RAMP.astype(np.int32))
    raw = RAMP.astype(">u2" if mode == "I;16B" else "<u2").tobytes()
    return Image.frombytes(mode, RAMP.shape[::-1], raw)


@pytest.mark.parametrize(
    ("mode", "name"),
    [("I;16", "x.png"), ("I;16", "x.tif"), ("I;16B", "x.tif"), ("I", "x.tif"), ("I", "x.pgm")],
)
def test_16_bits_of_grey_are_scaled_and_rounded(tmp_path: Path, mode: str, name: str) -> None:
    path = saved(tmp_path / name, of_16_bits(mode))
    with Image.open(path) as image:
        assert image.mode == mode
    check_image(path, "hint")
    expected = [round(int(value) / 257) for value in RAMP[0]]
    assert expected[:3] == [0, 0, 1]  # rounded, not cut off
    assert [pixel[0] for pixel in pixels_of(open_rgb(path))] == expected
    white = [value == 255 for value in np.asarray(mask_of_file(path, invert=False))[0]]
    assert white == [value >= 32768 for value in RAMP[0]]


def test_a_16_bit_tiff_may_count_from_white_to_black(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.tif", of_16_bits("I;16"), tiffinfo={262: 0})
    content = path.read_bytes()
    with Image.open(path) as image:
        tags = dict(image.tag_v2)  # type: ignore[attr-defined]
    if tags[262] != 0:  # Pillow writes its own value over the one asked for.
        entry = struct.pack("<HHIHH", 262, 3, 1, tags[262], 0)
        assert content.count(entry) == 1
        path.write_bytes(content.replace(entry, struct.pack("<HHIHH", 262, 3, 1, 0, 0)))
    expected = [255 - round(int(value) / 257) for value in RAMP[0]]
    assert [pixel[0] for pixel in pixels_of(open_rgb(path))] == expected


def test_a_tiff_of_12_bits_is_not_drawn_dark(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.tif", Image.frombytes("L", (3, 1), bytes([0x00, 0x0F, 0xFF])))
    content = path.read_bytes()
    eight, twelve = struct.pack("<HHIHH", 258, 3, 1, 8, 0), struct.pack("<HHIHH", 258, 3, 1, 12, 0)
    assert content.count(eight) == 1
    # The same three bytes, read as two pixels of 12 bits.
    narrow = struct.pack("<HHI", 256, 4, 1) + struct.pack("<I", 3)
    if narrow not in content:
        narrow = struct.pack("<HHIHH", 256, 3, 1, 3, 0)
    two_wide = narrow[:8] + struct.pack("<I", 2)
    assert content.count(narrow) == 1
    path.write_bytes(content.replace(eight, twelve).replace(narrow, two_wide))
    assert pixels_of(open_rgb(path)) == [BLACK, WHITE]


@pytest.mark.parametrize(
    ("image", "name", "expected"),
    [
        (row((0,), (255,), mode="1"), "x.png", [BLACK, WHITE]),
        (row((0,), (77,), mode="L"), "x.png", [BLACK, (77, 77, 77)]),
        (row((0, 0, 0, 0), (0, 255, 255, 0), (0, 0, 0, 255), mode="CMYK"), "x.tif", None),
        (row((128, 128, 128), (255, 128, 128), mode="YCbCr"), "x.jpg", [GREY, WHITE]),
        (row((255, 128, 128), (0, 128, 128), mode="LAB"), "x.tif", [WHITE, BLACK]),
    ],
)
def test_other_modes(
    tmp_path: Path, image: Image.Image, name: str, expected: list[tuple[int, ...]] | None
) -> None:
    path = saved(tmp_path / name, image, quality=100)
    check_image(path, "image")
    found = np.array(pixels_of(open_rgb(path)))
    expected = expected or [WHITE, RED, BLACK]
    assert np.abs(found - np.array(expected)).max() <= 2


def test_cmyk_jpeg_is_not_a_negative(tmp_path: Path) -> None:
    image = Image.new("CMYK", (16, 8), (0, 255, 255, 0))
    path = saved(tmp_path / "x.jpg", image, quality=95)
    found = np.array(pixels_of(open_rgb(path)))
    assert np.abs(found - np.array(RED)).max() <= 4


def test_16_bits_a_channel(tmp_path: Path) -> None:
    raw = b"\0" + struct.pack(">HHHHHHHH", 0x8000, 0x40FF, 0xFFFF, 0xFFFF, 1, 2, 3, 0)
    path = png_file(tmp_path / "x.png", (2, 1), 16, 6, raw)
    first, second = pixels_of(open_rgb(path))
    assert np.abs(np.array(first) - (128, 65, 255)).max() <= 1
    assert second == WHITE


@pytest.mark.parametrize("name", ["x.gif", "x.png", "x.webp"])
def test_the_first_frame_of_an_animation(tmp_path: Path, name: str) -> None:
    if name.endswith("webp") and not features.check("webp"):
        pytest.skip("this Pillow reads no WebP")
    frames = [Image.new("RGB", (8, 4), colour) for colour in (RED, GREEN, BLUE)]
    options = {"lossless": True} if name.endswith("webp") else {}
    path = saved(tmp_path / name, frames[0], save_all=True, append_images=frames[1:], **options)
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == 3
    assert set(pixels_of(open_rgb(path))) == {RED}
