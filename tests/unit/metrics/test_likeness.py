"""Metrics of how alike two pictures are."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from runner.metrics.likeness import (
    MS_SSIM_SMALLEST,
    ms_ssim,
    pixel_difference,
    psnr,
    ssim,
)


def blotches(seed: int = 0, side: int = 192) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(levels).resize((side, side), Image.Resampling.BICUBIC)


def noisy(image: Image.Image, deviation: float) -> Image.Image:
    noise = np.random.default_rng(1).normal(0, deviation, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def test_equal_pictures() -> None:
    image = blotches()
    assert psnr(image, image) == 100
    assert pixel_difference(image, image) == {"mean": 0, "max": 0}
    assert ssim(image, image) == pytest.approx(1)
    assert ms_ssim(image, image) == pytest.approx(1)


@pytest.mark.parametrize("metric", [psnr, ssim, ms_ssim])
def test_the_more_noise_the_less_alike(metric) -> None:  # type: ignore[no-untyped-def]
    image = blotches()
    found = [metric(noisy(image, deviation), image) for deviation in (0, 5, 20, 80)]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 4


def test_one_level_everywhere() -> None:
    one, other = (Image.new("RGB", (8, 8), (level,) * 3) for level in (100, 101))
    assert psnr(one, other) == pytest.approx(20 * np.log10(255))
    assert pixel_difference(one, other) == {"mean": 1, "max": 1}


def test_levels_do_not_wrap_around() -> None:
    black, white = Image.new("RGB", (4, 4)), Image.new("RGB", (4, 4), "white")
    assert pixel_difference(black, white) == pixel_difference(white, black)
    assert pixel_difference(black, white)["mean"] == 255
    assert psnr(black, white) == pytest.approx(0)


def test_ssim_of_constant_pictures_is_its_formula() -> None:
    """Without variance it is (2ab + c1) / (a² + b² + c1), c1 = (0.01 * 255)²."""
    a, b, c1 = 60.0, 180.0, (0.01 * 255) ** 2
    one, other = (Image.new("RGB", (32, 32), (int(level),) * 3) for level in (a, b))
    assert ssim(one, other) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-6)


def test_the_smallest_picture_for_five_scales() -> None:
    image = blotches(side=MS_SSIM_SMALLEST)
    assert ms_ssim(image, image) == pytest.approx(1)
    with pytest.raises(ValueError, match="must be larger"):
        ms_ssim(*[blotches(side=MS_SSIM_SMALLEST - 1)] * 2)
