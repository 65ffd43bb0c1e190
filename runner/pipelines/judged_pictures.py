"""How judges see pictures: resized, cropped or filled up, and normalised, as published.

Without torchvision; equal to its transforms up to float32 rounding (1e-6 before normalisation).
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of the pictures that CLIP was trained on."""


def cropped(image: Image.Image, side: int, *, rounds: bool) -> Tensor:
    """The middle of a picture whose shorter side is resized (bicubic, by Pillow), float32
    [1, 3, side, side].

    Args:
        rounds: as torchvision and openai/CLIP: an odd rest is split by rounding half to even. Else
            as transformers: the smaller half is cut off first.
    """
    width, height = image.size
    short, long = min(width, height), max(width, height)
    size = (side, int(side * long / short))
    width, height = size if width <= height else size[::-1]
    resized = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    left, top = (
        round((length - side) / 2) if rounds else (length - side) // 2 for length in (width, height)
    )
    return _normalised(_levels(resized.crop((left, top, left + side, top + side))))


def filled(image: Image.Image, side: int) -> Tensor:
    """A picture whose longer side is resized (bicubic, by torch), filled up with black, float32
    [1, 3, side, side].

    As HPS v2's own code with torchvision from 0.17 on; earlier ones resized without antialias.
    """
    pixels = _levels(image.convert("RGB"))
    height, width = pixels.shape[-2:]
    scale = side / float(max(height, width))
    if scale != 1.0:
        pixels = torch.nn.functional.interpolate(
            pixels,
            size=(round(height * scale), round(width * scale)),
            mode="bicubic",
            align_corners=False,
            antialias=True,
        )
    below, beside = side - pixels.shape[-2], side - pixels.shape[-1]
    padding = (beside // 2, beside - beside // 2, below // 2, below - below // 2)
    return _normalised(torch.nn.functional.pad(pixels, padding))


def _levels(image: Image.Image) -> Tensor:
    """float32 [1, 3, H, W] in [0, 1]."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def _normalised(pixels: Tensor) -> Tensor:
    mean, deviation = (torch.tensor(three).view(1, 3, 1, 1) for three in (MEAN, DEVIATION))
    return (pixels - mean) / deviation
