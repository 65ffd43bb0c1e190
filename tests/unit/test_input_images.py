"""Pictures handed in by a user: what is refused, what the pixels become, and the geometry."""

from __future__ import annotations

import hashlib
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, features

from runner import picture_files
from runner.config.schema import Resize
from runner.errors import ConfigError, StageError
from runner.geometry import aligned_mask, mask_of_box, resized, resized_mask
from runner.input_images import check_image, mask_of_file, open_rgb

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
WHITE, BLACK, GREY = (255, 255, 255), (0, 0, 0), (128, 128, 128)
Pixels = NDArray[np.uint8]


def gradient(width: int = 24, height: int = 16) -> Image.Image:
    """No two pixels alike, so that any turn, flip or shift shows; smooth, so that JPEG is near."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(20, 230, width)[None, :]
    pixels[..., 1] = np.linspace(30, 220, height)[:, None]
    pixels[..., 2] = 90
    return Image.fromarray(pixels)


def row(*colours: tuple[int, ...], mode: str = "RGB") -> Image.Image:
    image = Image.new(mode, (len(colours), 1))
    for x, colour in enumerate(colours):
        image.putpixel((x, 0), colour if len(colour) > 1 else colour[0])
    return image


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def pixels_of(image: Image.Image) -> list[tuple[int, ...]]:
    assert image.mode == "RGB"
    return [tuple(pixel) for line in np.asarray(image).tolist() for pixel in line]


def refusal(path: Path | str) -> str:
    with pytest.raises(ConfigError) as caught:
        check_image(path, "hint")
    assert caught.value.key == "hint"
    return str(caught.value)


def largest_difference(one: Image.Image, other: Image.Image) -> int:
    assert (one.mode, one.size) == (other.mode, other.size)
    return int(np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int)).max())


def png_chunk(name: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def png_file(
    path: Path, size: tuple[int, int], depth: int, kind: int, raw: bytes, transparent: bytes = b""
) -> Path:
    """A PNG of bit depths that Pillow does not write."""
    header = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + (png_chunk(b"tRNS", transparent) if transparent else b"")
        + png_chunk(b"IDAT", zlib.compress(raw))
        + png_chunk(b"IEND", b"")
    )
    return path


# Checking


def test_a_checked_picture_tells_its_place_hash_and_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "cat.png", gradient())
    monkeypatch.chdir(tmp_path)
    found = check_image("cat.png", "image")
    assert found.path == path
    assert found.path.is_absolute()
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.width, found.height) == (24, 16)


def test_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "cat.png", gradient())
    monkeypatch.setenv("HOME", str(tmp_path))
    assert check_image("~/cat.png", "image").path == tmp_path / "cat.png"
    assert "~no-such-user-here/x.png: cannot be read" in refusal("~no-such-user-here/x.png")


def test_a_missing_file_is_named_with_the_place_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refusal("cat.png") == f"hint=cat.png: there is no such file ({tmp_path}/cat.png)"
    assert refusal(tmp_path / "cat.png") == f"hint={tmp_path}/cat.png: there is no such file"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "is a folder, not a picture" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    assert "is not a regular file" in refusal(tmp_path / "pipe.png")
    assert "is empty" in refusal("")
    assert "cannot be read" in refusal("a\0b.png")
    assert "cannot be read: Not a directory" in refusal(saved(tmp_path / "a.png", gradient()) / "b")


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("a red cat\n" * 100)
    (tmp_path / "empty.png").touch()
    message = refusal(tmp_path / "text.png")
    assert "is no picture of a known kind" in message
    assert "allowed: PNG, JPEG" in message
    assert "is an empty file" in refusal(tmp_path / "empty.png")


def test_a_kind_that_would_start_another_program_is_refused(tmp_path: Path) -> None:
    gradient().save(tmp_path / "drawing.eps")
    assert "is no picture of a known kind" in refusal(tmp_path / "drawing.eps")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("x.png", {}),
        ("x.jpg", {"quality": 95}),
        ("progressive.jpg", {"progressive": True}),
        ("x.webp", {"lossless": True}),
        ("x.bmp", {}),
        ("x.gif", {}),
        ("x.tif", {}),
    ],
)
def test_a_file_cut_short_is_refused(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    if name.endswith("webp") and not features.check("webp"):
        pytest.skip("this Pillow reads no WebP")
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    path = saved(tmp_path / name, Image.fromarray(noise), **options)
    check_image(path, "image")
    content = path.read_bytes()
    for length in (len(content) // 2, len(content) * 9 // 10, len(content) - 5):
        path.write_bytes(content[:length])
        assert "is damaged or cut short" in refusal(path), length


def test_a_png_with_one_wrong_byte_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", gradient())
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 40] ^= 1
    path.write_bytes(content)
    assert "is damaged or cut short" in refusal(path)


def test_a_header_that_claims_too_many_pixels_is_refused_with_one_message(tmp_path: Path) -> None:
    bomb = png_file(tmp_path / "bomb.png", (50_000, 50_000), 8, 2, b"")
    # Over the limit here, below the one at which Pillow itself says no.
    large = png_file(tmp_path / "large.png", (10_001, 10_000), 8, 0, b"")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert "has more than 100 million pixels" in refusal(bomb)
        assert "has more than 100 million pixels" in refusal(large)
    assert warned == []


def test_pillows_lower_limit_neither_warns_nor_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "x.png", gradient())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 16 - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_image(path, "image").width == 24
    monkeypatch.setattr(picture_files, "MAX_PIXELS", 24 * 16 - 1)
    assert "pixels" in refusal(saved(tmp_path / "y.png", gradient()))


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (Image.new("F", (4, 2), 0.5), "floating-point"),
        (Image.new("I", (4, 2), 65536), "holds numbers from 65536 to 65536"),
        (Image.new("I", (4, 2), -1), "holds numbers from -1 to -1"),
    ],
)
def test_pixels_of_unknown_range_are_refused(
    tmp_path: Path, image: Image.Image, problem: str
) -> None:
    message = refusal(saved(tmp_path / "x.tif", image))
    assert problem in message
    assert "allowed: a picture of 8 or 16 bits a channel" in message


def test_an_unchanged_file_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "x.png", gradient())
    first = check_image(path, "image")
    opened: list[object] = []
    real_open = Image.open

    def counting_open(*args: object, **options: object) -> Image.Image:
        opened.append(args)
        return real_open(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Image, "open", counting_open)
    assert check_image(str(path), "hint") == first
    assert opened == []
    saved(path, gradient(30, 10))
    assert check_image(path, "image").width == 30
    assert opened


def test_a_file_that_is_repaired_is_taken_then(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_text("no picture")
    refusal(path)
    saved(path, gradient())
    assert check_image(path, "image").width == 24


def test_a_picture_gone_after_the_check_fails_the_stage(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", gradient())
    check_image(path, "image")
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(StageError, match=r"x\.png is damaged or cut short"):
        open_rgb(path)
    path.unlink()
    with pytest.raises(StageError, match=r"x\.png cannot be read: No such file"):
        mask_of_file(path, invert=False)


# Kinds of files and pixels


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


# Colour profiles


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


# Sizes


def halves(width: int, height: int) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


@pytest.mark.parametrize("resize", Resize)
def test_a_picture_of_the_size_is_not_touched(resize: Resize) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    assert (
        largest_difference(resized(Image.fromarray(noise), 24, 16, resize), Image.fromarray(noise))
        == 0
    )
    mask = Image.fromarray(np.where(noise[..., 0] > 127, 255, 0).astype(np.uint8))
    assert largest_difference(resized_mask(mask, 24, 16, resize), mask) == 0


def test_stretch_brings_both_sides_to_size() -> None:
    found = np.asarray(resized(halves(40, 10), 20, 20, Resize.stretch))
    assert found.shape == (20, 20, 3)
    assert (found[:, :8] == RED).all()
    assert (found[:, 12:] == BLUE).all()


def test_cover_cuts_what_sticks_out_on_both_sides_alike() -> None:
    # A green strip, a quarter wide, on either side of the halves: what is cut off.
    wide = Image.new("RGB", (80, 20), GREEN)
    wide.paste(halves(40, 20), (20, 0))
    found = np.asarray(resized(wide, 20, 10, Resize.cover))
    assert (found[:, 2:8] == RED).all()
    assert (found[:, 12:18] == BLUE).all()
    tall = wide.transpose(Image.Transpose.ROTATE_270)
    found = np.asarray(resized(tall, 10, 20, Resize.cover))
    assert found.shape == (20, 10, 3)
    assert (found[2:8] == RED).all()
    assert (found[12:18] == BLUE).all()


@pytest.mark.parametrize("size", [(16, 16), (15, 16), (24, 9)])
def test_cover_only_cuts_where_no_scaling_is_needed(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    width, height = size
    left, top = (24 - width) // 2, (16 - height) // 2
    found = np.asarray(resized(Image.fromarray(noise), width, height, Resize.cover))
    assert (found == noise[top : top + height, left : left + width]).all()


def test_fit_adds_black_on_both_sides_alike() -> None:
    found = np.asarray(resized(halves(40, 20), 20, 20, Resize.fit))
    assert (found[:5] == 0).all()
    assert (found[15:] == 0).all()
    assert (found[5:15, :8] == RED).all()
    assert (found[5:15, 12:] == BLUE).all()
    found = np.asarray(resized(Image.new("RGB", (20, 40), RED), 40, 40, Resize.fit))
    assert (found[:, :10] == 0).all()
    assert (found[:, 10:30] == RED).all()
    assert (found[:, 30:] == 0).all()


@pytest.mark.parametrize("resize", Resize)
def test_a_picture_grows_too(resize: Resize) -> None:
    found = resized(Image.new("RGB", (4, 4), RED), 16, 16, resize)
    assert set(pixels_of(found)) == {RED}


def test_a_very_long_picture_keeps_a_line() -> None:
    found = np.asarray(resized(Image.new("RGB", (1000, 1), RED), 64, 65, Resize.fit))
    assert (found == RED).all(axis=(1, 2)).tolist() == [y == 32 for y in range(65)]


# Masks


def as_picture(mask: Image.Image) -> Pixels:
    pixels = np.asarray(mask)
    assert mask.mode == "L"
    assert set(np.unique(pixels)) <= {0, 255}
    return pixels


def test_the_light_half_of_a_mask_file_is_repainted(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", row((0,), (127,), (128,), (255,), mode="L"))
    assert as_picture(mask_of_file(path, invert=False)).tolist() == [[0, 0, 255, 255]]
    assert as_picture(mask_of_file(path, invert=True)).tolist() == [[255, 255, 0, 0]]


def test_transparent_parts_of_a_mask_are_kept(tmp_path: Path) -> None:
    image = row((*WHITE, 0), (*WHITE, 127), (*WHITE, 128), (*BLACK, 255), mode="RGBA")
    path = saved(tmp_path / "x.png", image)
    assert as_picture(mask_of_file(path, invert=False)).tolist() == [[0, 0, 255, 0]]
    assert as_picture(mask_of_file(path, invert=True)).tolist() == [[255, 255, 0, 255]]


def test_a_mask_of_two_colours(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", row((0,), (255,), mode="1"))
    assert as_picture(mask_of_file(path, invert=False)).tolist() == [[0, 255]]


def test_a_profile_does_not_move_the_middle_of_a_mask(tmp_path: Path) -> None:
    image = row((100,), (127,), (128,), mode="L")
    path = saved(tmp_path / "x.png", image, icc_profile=linear_grey_profile())
    assert as_picture(mask_of_file(path, invert=False)).tolist() == [[0, 0, 255]]


def test_a_box_reaches_up_to_its_last_edge() -> None:
    found = as_picture(mask_of_box((6, 4), (1, 2, 5, 3), invert=False))
    expected = np.zeros((4, 6), np.uint8)
    expected[2, 1:5] = 255
    assert (found == expected).all()
    inverted = as_picture(mask_of_box((6, 4), (1, 2, 5, 3), invert=True))
    assert (inverted == 255 - expected).all()


def test_a_box_may_be_all_of_the_picture() -> None:
    assert as_picture(mask_of_box((6, 4), (0, 0, 6, 4), invert=False)).min() == 255
    assert as_picture(mask_of_box((6, 4), (0, 0, 6, 4), invert=True)).max() == 0


@pytest.mark.parametrize(
    "box", [(-1, 0, 2, 2), (0, 0, 7, 4), (0, 0, 6, 5), (3, 1, 3, 2), (4, 1, 3, 2), (0, 2, 6, 2)]
)
def test_a_box_must_lie_within_the_picture(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(ConfigError, match=r"mask_box.* is no rectangle within .* of 6x4 pixels"):
        mask_of_box((6, 4), box, invert=False)


@pytest.mark.parametrize("resize", Resize)
@pytest.mark.parametrize("size", [(64, 48), (30, 30), (16, 40), (200, 120)])
def test_a_mask_goes_where_its_picture_goes(resize: Resize, size: tuple[int, int]) -> None:
    box = (33, 11, 75, 52)
    picture = Image.new("RGB", (100, 80), (1, 1, 1))
    picture.paste(WHITE, box)
    drawn = np.asarray(resized(picture, *size, resize))[..., 0]
    mask = as_picture(resized_mask(mask_of_box((100, 80), box, invert=False), *size, resize))
    assert mask.shape == drawn.shape
    assert (mask[drawn >= 128] == 255).all()
    # And no further than one pixel around what is light.
    light = np.pad(drawn >= 128, 1)
    height, width = drawn.shape
    near = [light[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    assert (mask[~np.any(near, axis=0)] == 0).all()
    assert 0 < mask.mean() < 255


@pytest.mark.parametrize("resize", Resize)
def test_a_small_spot_does_not_vanish(resize: Resize) -> None:
    for x, y in [(0, 500), (499, 500), (999, 999), (123, 777)]:
        mask = mask_of_box((1000, 1000), (x, y, x + 1, y + 1), invert=False)
        found = as_picture(resized_mask(mask, 64, 64, resize))
        assert np.argwhere(found).tolist() == [[y * 64 // 1000, x * 64 // 1000]]


def test_a_pixel_on_the_border_of_two_whitens_both() -> None:
    mask = mask_of_box((3, 1), (1, 0, 2, 1), invert=False)
    assert as_picture(resized_mask(mask, 2, 1, Resize.stretch)).tolist() == [[255, 255]]
    assert as_picture(resized_mask(mask, 6, 1, Resize.stretch)).tolist() == [[0, 0, 255, 255, 0, 0]]
    first = mask_of_box((3, 1), (0, 0, 1, 1), invert=False)
    assert as_picture(resized_mask(first, 2, 1, Resize.stretch)).tolist() == [[255, 0]]


def test_what_cover_cuts_off_is_not_in_the_mask() -> None:
    mask = mask_of_box((80, 20), (20, 0, 60, 20), invert=True)
    assert as_picture(resized_mask(mask, 20, 10, Resize.cover)).max() == 0
    assert (
        as_picture(resized_mask(mask, 21, 10, Resize.cover)).tolist()
        == [[255, *[0] * 19, 255]] * 10
    )


@pytest.mark.parametrize("invert", [False, True])
def test_what_fit_adds_is_kept(tmp_path: Path, invert: bool) -> None:
    path = saved(tmp_path / "x.png", Image.new("L", (40, 20), 0 if invert else 255))
    found = as_picture(resized_mask(mask_of_file(path, invert=invert), 20, 20, Resize.fit))
    expected = np.zeros((20, 20), np.uint8)
    expected[5:15] = 255
    assert (found == expected).all()


def test_blocks_with_a_white_pixel_become_white() -> None:
    mask = mask_of_box((32, 24), (15, 7, 17, 8), invert=False)
    expected = np.zeros((24, 32), np.uint8)
    expected[0:8, 8:24] = 255
    assert (as_picture(aligned_mask(mask)) == expected).all()
    assert (as_picture(aligned_mask(aligned_mask(mask))) == expected).all()
    assert as_picture(aligned_mask(Image.new("L", (32, 24)))).max() == 0


def test_blocks_of_another_size_and_at_the_far_edge() -> None:
    mask = mask_of_box((10, 7), (9, 6, 10, 7), invert=False)
    expected = np.zeros((7, 10), np.uint8)
    expected[4:, 8:] = 255
    assert (as_picture(aligned_mask(mask, cell=4)) == expected).all()
    assert (as_picture(aligned_mask(mask, cell=1)) == np.asarray(mask)).all()
