"""Pictures as arrays, and the difference of two."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels: TypeAlias = NDArray[np.int16]
"""H x W x 3, levels 0 to 255 that can be subtracted."""


def pixels(image: Image.Image) -> Pixels:
    """Of an RGB picture."""
    return np.asarray(image, dtype=np.int16)


def read_pixels(file: Path) -> Pixels:
    """Of a file."""
    with Image.open(file) as image:
        return pixels(image.convert("RGB"))


def furthest(one: Pixels, other: Pixels) -> int:
    """Levels of 255 between the two pixels that differ most."""
    return int(np.abs(one - other).max())
