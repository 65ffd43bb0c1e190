"""Pixels become images as diffusers' own output_type="pil" makes them."""

from __future__ import annotations

import pytest
import torch
from diffusers.image_processor import VaeImageProcessor

from runner.stages.decode import to_image


@pytest.mark.parametrize("raw", [True, False])
def test_to_image_is_diffusers_own_conversion(raw: bool) -> None:
    pixels = torch.randn(3, 8, 16, generator=torch.Generator().manual_seed(1)) * 2
    scaled = (pixels * 0.5 + 0.5).clamp(0, 1)
    (expected,) = VaeImageProcessor.numpy_to_pil(scaled[None].permute(0, 2, 3, 1).numpy())
    found = to_image(pixels if raw else scaled, raw=raw)
    assert (found.mode, found.size) == ("RGB", (16, 8))
    assert found.tobytes() == expected.tobytes()
