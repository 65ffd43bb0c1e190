"""Pictures in memory as input pictures: written to files, which is what a config names."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from runner.config.overrides import DEEPEST, MOST, value_shown
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
    """The keys with a file's path in place of each picture, however deep: a PIL image, or an array
    of uint8 (bool: a mask) of height x width, height x width x 3 or x 4.

    Raises:
        ConfigError: a picture's pixels have no defined range of brightness (mode "F"), or an
            array is none.
        StorageError: the file cannot be written.
    """
    return {name: _with_files(value, str(name)) for name, value in keys.items()}


def as_axes(axes: Any) -> Any:
    """The keyword `axes` with files in place of pictures, and Python's own lists in place of
    tuples, ranges and arrays. Raises as `with_files`.
    """
    return _listed(_with_files(axes, "axes"))


def _with_files(value: Any, key: str, depth: int = 0) -> Any:
    if depth > DEEPEST:
        raise ConfigError(key[:80], value_shown(value), "is nested too deeply")
    if isinstance(value, Image.Image):
        return _file_of(value, key)
    if is_picture(value):
        return _file_of(_image_of(value, key), key)
    if isinstance(value, Mapping):
        inner = ((name, own, f"{key}.{name}") for name, own in value.items())
        return {name: _with_files(own, place, depth + 1) for name, own, place in inner}
    if isinstance(value, list | tuple):
        return [_with_files(own, f"{key}[{n}]", depth + 1) for n, own in enumerate(value)]
    return value


def is_picture(value: Any) -> bool:
    """Whether an array, of numpy or torch, is meant as a picture: no key takes such numbers."""
    kind, dimensions = str(getattr(value, "dtype", "")), getattr(value, "ndim", 0)
    return dimensions == 3 or (dimensions == 2 and kind.rpartition(".")[2] in ("uint8", "bool"))


def _image_of(array: Any, key: str) -> Image.Image:
    try:
        return Image.fromarray(np.asarray(array))
    except (TypeError, ValueError) as error:
        shape = " x ".join(map(str, array.shape))
        raise ConfigError(
            key, f"array of {array.dtype}, {shape}", "is no picture",
            "uint8, height x width, x 3 or x 4",
        ) from error  # fmt: skip


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _listed(own) for name, own in value.items()}
    if isinstance(value, list):
        return [_listed(own) for own in value]
    if isinstance(value, range) and len(value) <= MOST:
        return list(value)
    return value.tolist() if hasattr(value, "tolist") else value


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
