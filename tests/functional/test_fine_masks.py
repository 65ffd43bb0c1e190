"""Masks so fine that diffusers may repaint nothing."""

from __future__ import annotations

import numpy as np
import torch
from diffusers.pipelines.kandinsky2_2 import pipeline_kandinsky2_2_inpainting as pipeline
from PIL import Image

from runner.images.geometry import repaints_in_diffusers


def is_repainted(mask: Image.Image | np.ndarray, width: int, height: int) -> bool:
    """By diffusers' own functions, in the order of the pipeline's call."""
    picture = Image.new("RGB", (width, height))
    kept, _ = pipeline.prepare_mask_and_masked_image(picture, mask, height, width)
    kept = torch.nn.functional.interpolate(kept, (height // 8, width // 8), mode="nearest")
    return bool((pipeline.prepare_mask(kept) == 0).any())


def test_the_plan_knows_which_masks_diffusers_does_not_see() -> None:
    draw = np.random.default_rng(0)
    found = []
    for _ in range(100):
        pixels = np.zeros(draw.integers(8, 200, 2), np.uint8)
        rows, columns = (int(side) for side in pixels.shape)
        y, x = draw.integers(0, rows), draw.integers(0, columns)
        pixels[y : y + draw.integers(1, 20), x : x + draw.integers(1, 20)] = draw.integers(100, 256)
        mask = Image.fromarray(pixels)
        width, height = (int(side) for side in draw.choice([64, 128], 2))
        expected = is_repainted(mask.convert("RGB"), width, height)
        assert repaints_in_diffusers(mask, (width, height), is_box=False) == expected
        found.append(expected)
        expected = is_repainted(pixels.astype(np.float32) / 255, width, height)
        assert repaints_in_diffusers(mask, (width, height), is_box=True) == expected
        found.append(expected)
    assert 20 < sum(found) < 180
