"""PNG files keep pixels and texts."""

from __future__ import annotations

import pytest
from PIL import Image, ImageCms

from runner.images.png import (
    DamagedPictureError,
    image_of_png,
    pixel_sha256,
    png_bytes,
    text_of_png,
    with_text,
)
from unit.made_pictures import picture


def test_pixels_and_texts_come_back() -> None:
    text = {"prompt": "a “red” круг 🔴\nsecond line", "config": '{"a": 1}', "empty": ""}
    content = png_bytes(picture(), text)
    assert image_of_png(content).tobytes() == picture().tobytes()
    assert text_of_png(content) == text


def test_without_texts_there_are_none() -> None:
    assert text_of_png(png_bytes(picture())) == {}


def test_other_modes_become_rgb() -> None:
    found = image_of_png(png_bytes(Image.new("L", (4, 2), 7)))
    assert (found.mode, found.getpixel((0, 0))) == ("RGB", (7, 7, 7))


def test_hash_is_of_the_pixels_and_not_of_the_file() -> None:
    plain, described = png_bytes(picture()), png_bytes(picture(), {"prompt": "x"})
    assert plain != described
    assert pixel_sha256(image_of_png(plain)) == pixel_sha256(image_of_png(described))


def test_hash_tells_pixels_sizes_and_modes_apart() -> None:
    changed = picture()
    changed.putpixel((0, 0), (0, 1, 3))
    images = [picture(), changed, Image.frombytes("RGB", (8, 16), picture().tobytes())]
    images.append(Image.frombytes("L", (16, 24), picture().tobytes()))
    assert len({pixel_sha256(image) for image in images}) == len(images)


TEXT = {"prompt": "a “red” круг 🔴\nsecond line", "config": "x" * 100_000, "empty": ""}
PLAIN = {"parameters": "naïve", "more": "круг"}


def with_profile() -> Image.Image:
    profiled = picture()
    profiled.info["icc_profile"] = ImageCms.ImageCmsProfile(
        ImageCms.createProfile("sRGB")
    ).tobytes()
    return profiled


@pytest.mark.parametrize("made", [picture(), with_profile(), Image.effect_noise((400, 300), 90)])
def test_text_put_into_a_file_gives_the_bytes_of_a_file_made_with_it(made: Image.Image) -> None:
    """The last has several chunks of pixels."""
    plain = png_bytes(made)
    assert with_text(plain, TEXT, PLAIN) == png_bytes(made, TEXT, PLAIN)
    assert with_text(png_bytes(made, {"prompt": "another"}), {}) == plain


@pytest.mark.parametrize("length", [0, 7, 20, 40])
def test_no_text_is_put_into_what_ends_before_its_pixels(length: int) -> None:
    with pytest.raises(DamagedPictureError):
        with_text(png_bytes(picture())[:length], TEXT)
