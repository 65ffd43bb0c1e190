"""Pictures in memory as input pictures: written to files, which is what a config names."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageOps

from runner.errors import ConfigError, StorageError
from runner.system.files import write_whole
from runner.system.user_cache import user_cache_dir

FOLDER = "pictures"
"""In the user's cache. A run keeps its input pictures itself, so none is needed afterwards."""
AS_RGB = ("YCbCr", "HSV", "RGBX")
"""Modes of 8 bits a channel that a PNG does not have."""
AS_TIFF = ("CMYK", "LAB")
"""Modes of which a profile tells the colours, or none may: as RGB that would be lost."""


def with_files(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys with a file's path in place of each PIL image, however deep.

    Raises:
        ConfigError: a picture's pixels have no defined range of brightness (mode "F").
        StorageError: the file cannot be written.
    """
    return {name: _with_files(value, str(name)) for name, value in keys.items()}


def _with_files(value: Any, key: str) -> Any:
    if isinstance(value, Image.Image):
        return _file_of(value, key)
    if isinstance(value, Mapping):
        return {name: _with_files(own, f"{key}.{name}") for name, own in value.items()}
    if isinstance(value, list | tuple):
        return [_with_files(own, f"{key}[{place}]") for place, own in enumerate(value)]
    return value


def _file_of(picture: Image.Image, key: str) -> str:
    """The path of a file of the picture, without loss, named by its content."""
    written = io.BytesIO()
    try:
        # As the same file would be shown if its path were given. A PNG says nothing of its turn.
        upright = ImageOps.exif_transpose(picture)
        shown = upright.convert("RGB") if upright.mode in AS_RGB else upright
        kind = "tiff" if shown.mode in AS_TIFF else "png"
        shown.save(written, format=kind)
    except (OSError, ValueError) as error:  # ValueError: of no pixels
        raise ConfigError(
            key, picture, f"has pixels of mode {picture.mode}, which no PNG holds, or none",
            "a picture of mode RGB, RGBA or L",
        ) from error  # fmt: skip
    content = written.getvalue()
    file = user_cache_dir() / FOLDER / f"{hashlib.sha256(content).hexdigest()[:32]}.{kind}"
    if not file.is_file():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{file.parent} cannot be made: {error.strerror}") from error
        write_whole(file, content)
    return str(file)
