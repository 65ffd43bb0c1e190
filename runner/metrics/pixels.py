"""Metrics of a single picture's pixels."""

from __future__ import annotations

import numpy as np
from PIL import Image

from runner.metrics import metric

FLAT = 2
"""Levels of 255 within which all pixels of a blank picture lie."""

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""


@metric()
def sharpness(image: Image.Image) -> float:
    """Variance of the Laplacian of the luma, in levels² of 255 (Pech-Pacheco et al. 2000).

    It is low for blurred and for flat pictures, and high for noise.
    """
    luma = np.asarray(image, dtype=np.float64) @ np.array(LUMA)
    inner = luma[1:-1, 1:-1]
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return float((around - 4 * inner).var())


@metric(better="lower")
def blank(image: Image.Image) -> float:
    """1 for a picture of a single colour (black, for one), else 0."""
    pixels = np.asarray(image)
    spread = pixels.max(axis=(0, 1)).astype(int) - pixels.min(axis=(0, 1)).astype(int)
    return float((spread <= FLAT).all())
