"""PNG files keep pixels and texts."""

from __future__ import annotations

from PIL import Image

from runner.images.png import image_of_png, pixel_sha256, png_bytes, text_of_png
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
