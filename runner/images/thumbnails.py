"""Small versions of pictures, for pages and notebooks."""

from __future__ import annotations

import io
import struct
from pathlib import Path

from PIL import Image

from runner.images.png import DamagedPictureError, read_png

SIDE = 256
"""Largest side of a thumbnail in pixels; smaller pictures keep their size."""
QUALITY, EFFORT = 82, 2
"""WebP effort: with the default of 4 it takes twice as long and is 3% smaller."""


def png_size(file: Path) -> tuple[int, int]:
    """Width and height of a PNG in pixels, without reading these. Raises DamagedPictureError."""
    try:
        with file.open("rb") as opened:
            begins = opened.read(24)
        # PNG specification, 11.2.1: signature, the length and the type of IHDR, width, height.
        width, height = struct.unpack(">II", begins[16:])
    except OSError as error:
        raise DamagedPictureError(f"cannot be read: {error.strerror}") from error
    except struct.error as error:
        raise DamagedPictureError("is no PNG") from error
    return width, height


def thumbnail_webp(file: Path) -> bytes:
    """A thumbnail of a PNG as WebP. Raises DamagedPictureError."""
    small = read_png(file)
    # First reduced by whole pixels to twice the size, then resampled: much faster if large.
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    written = io.BytesIO()
    small.save(written, format="WEBP", quality=QUALITY, method=EFFORT)
    return written.getvalue()
