"""Pictures made for the tests of pictures, and how they are compared."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from runner.errors import ConfigError
from runner.images.inputs import check_image

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
WHITE, BLACK, GREY = (255, 255, 255), (0, 0, 0), (128, 128, 128)
Pixels = NDArray[np.uint8]


def gradient(width: int = 24, height: int = 16) -> Image.Image:
    """No two pixels alike, so that any turn, flip or shift shows; smooth, so that JPEG is near."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(20, 230, width)[None, :]
    pixels[..., 1] = np.linspace(30, 220, height)[:, None]
    pixels[..., 2] = 90
    return Image.fromarray(pixels)


def picture() -> Image.Image:
    """Small, with all levels in it."""
    return Image.frombytes("RGB", (16, 8), bytes(range(256)) + bytes(128))


def row(*colours: tuple[int, ...], mode: str = "RGB") -> Image.Image:
    image = Image.new(mode, (len(colours), 1))
    for x, colour in enumerate(colours):
        image.putpixel((x, 0), colour if len(colour) > 1 else colour[0])
    return image


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def pixels_of(image: Image.Image) -> list[tuple[int, ...]]:
    assert image.mode == "RGB"
    return [tuple(pixel) for line in np.asarray(image).tolist() for pixel in line]


def refusal(path: Path | str) -> str:
    with pytest.raises(ConfigError) as caught:
        check_image(path, "hint")
    assert caught.value.key == "hint"
    return str(caught.value)


def largest_difference(one: Image.Image, other: Image.Image) -> int:
    assert (one.mode, one.size) == (other.mode, other.size)
    return int(np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int)).max())


def png_chunk(name: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def png_file(
    path: Path, size: tuple[int, int], depth: int, kind: int, raw: bytes, transparent: bytes = b""
) -> Path:
    """A PNG of bit depths that Pillow does not write."""
    header = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + (png_chunk(b"tRNS", transparent) if transparent else b"")
        + png_chunk(b"IDAT", zlib.compress(raw))
        + png_chunk(b"IEND", b"")
    )
    return path
