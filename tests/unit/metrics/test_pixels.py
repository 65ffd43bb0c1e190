"""Metrics of a picture's own pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from runner.metrics.pixels import blank, sharpness


def noise(seed: int = 0, side: int = 32) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(levels)


def test_a_blurred_picture_is_less_sharp() -> None:
    sharp = noise()
    once, twice = (sharp.filter(ImageFilter.GaussianBlur(radius)) for radius in (1, 2))
    assert sharpness(sharp) > 10 * sharpness(once) > 20 * sharpness(twice) > 0


def test_a_slope_has_no_edges() -> None:
    slope = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8), (64, 1))).convert("RGB")
    assert sharpness(slope) == pytest.approx(0)


def test_the_laplacian_of_a_single_point() -> None:
    picture = Image.new("RGB", (5, 5))
    picture.putpixel((2, 2), (100, 100, 100))
    # -400 in the middle, 100 at its four neighbours, 0 at the corners of the inner 3 x 3.
    values = np.array([-400, *[100] * 4, *[0] * 4])
    assert sharpness(picture) == pytest.approx(values.var())


@pytest.mark.parametrize("colour", ["black", "white", "red"])
def test_a_picture_of_one_colour_is_blank(colour: str) -> None:
    picture = Image.new("RGB", (8, 8), colour)
    assert blank(picture) == 1
    picture.putpixel((3, 3), (128, 128, 128))
    assert blank(picture) == 0


def test_noise_too_faint_to_see_is_blank_too() -> None:
    levels = np.random.default_rng(0).integers(0, 3, (8, 8, 3), dtype=np.uint8)
    assert blank(Image.fromarray(levels)) == 1
