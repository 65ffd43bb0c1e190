"""PNG files: writing and reading pixels and text entries, and the hash of pixels."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, PngImagePlugin


def png_bytes(image: Image.Image, text: Mapping[str, str] | None = None) -> bytes:
    """A PNG file of the image, with text entries (UTF-8, as `iTXt`)."""
    info = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(key, value)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=info)
    return buffer.getvalue()


def image_of_png(content: bytes) -> Image.Image:
    """The RGB image of a PNG file."""
    with Image.open(io.BytesIO(content)) as image:
        return image.convert("RGB")


def text_of_png(content: bytes) -> dict[str, str]:
    """The text entries of a PNG file."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert isinstance(image, PngImagePlugin.PngImageFile)
        return {key: str(value) for key, value in image.text.items()}


def pixel_sha256(image: Image.Image) -> str:
    """Hex sha256 of mode, size and pixels: independent of the file's compression."""
    digest = hashlib.sha256(f"{image.mode} {image.width}x{image.height}\n".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def read_whole_picture(file: Path, sha256: str) -> Image.Image | None:
    """The picture of a PNG file; None where it is missing, damaged, or its pixels' hash differs."""
    try:
        picture = image_of_png(file.read_bytes())
    except (OSError, ValueError):
        return None
    return picture if pixel_sha256(picture) == sha256 else None
