"""Input pictures: checked before anything runs, then read as RGB or as masks.

A picture is decoded in the same way everywhere, so a picture that `check_image` accepts at plan
time is the one that `open_rgb` and `mask_of_file` give to the pipelines later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

from PIL import Image, ImageOps

from runner.config.choices import Resize
from runner.errors import ConfigError, StageError, format_value
from runner.images.decode import Picture, UnusableError, decode_picture
from runner.images.geometry import KEPT, REPAINTED, aligned_mask, mask_of_box, resized_mask
from runner.system.hashes import open_file_sha256

LOWEST_WHITE = 128


@dataclass(frozen=True)
class InputImage:
    """A picture on disk that passed the checks.

    Args:
        path: absolute.
        sha256: hex, of the file's bytes.
        width: in pixels, after EXIF rotation.
        height: likewise.
        by_chunks: its colours are told by a PNG's gAMA, cHRM or cICP.
        pixels: hex sha256 of the pixels as `open_rgb` gives them.
    """

    path: Path
    sha256: str
    width: int
    height: int
    by_chunks: bool = False
    pixels: str = ""


def check_image(path: str | Path, key: str) -> InputImage:
    """Decode the whole picture as a check, as it will be used; once a process for unchanged files.

    Raises:
        ConfigError: naming `key`: no such file, no picture, damaged, too large, or of pixels whose
            brightness range is not defined.
    """
    try:
        if not str(path):
            raise UnusableError("is empty", "the path of a picture")
        file = Path(path).expanduser().absolute()
        status = file.stat()
        if S_ISDIR(status.st_mode):
            raise UnusableError("is a folder, not a picture")
        if not S_ISREG(status.st_mode):
            raise UnusableError("is not a regular file")
        return _examined(file, status.st_size, status.st_mtime_ns)
    except UnusableError as error:
        raise ConfigError(key, path, error.problem, error.allowed) from error
    except FileNotFoundError as error:
        where = "" if str(file) == str(path) else f" ({format_value(file)})"
        raise ConfigError(key, path, f"there is no such file{where}") from error
    except (OSError, ValueError, RuntimeError) as error:
        # ValueError: a zero byte in the path; RuntimeError: "~name" of an unknown user.
        problem = getattr(error, "strerror", None) or str(error)
        raise ConfigError(key, path, f"cannot be read: {problem}") from error


@cache
def _examined(path: Path, size: int, mtime_ns: int) -> InputImage:
    # size and mtime_ns are for the cache: another file at the same path is examined again.
    if size == 0:
        raise UnusableError("is an empty file")
    with path.open("rb") as file:
        picture = decode_picture(file)
        rgb = picture.rgb()
        pixels = hashlib.sha256(rgb.tobytes()).hexdigest()
        sha256 = open_file_sha256(file)
    return InputImage(path, sha256, rgb.width, rgb.height, picture.by_chunks, pixels)


def open_rgb(path: Path) -> Image.Image:
    """The picture as viewers show it: RGB in sRGB, upright, transparent parts over white.

    The first frame of an animation. 16 bits of grey are scaled to 8, never clipped.

    Raises:
        StageError: it can no longer be read, although `check_image` could.
    """
    return _opened(path, lambda picture: picture.rgb())


def mask_of_file(path: Path, *, invert: bool) -> Image.Image:
    """The picture as a mask: its light half (128 and more of 255) is repainted, upright.

    Transparent parts are laid over black. An embedded colour profile is not applied: the numbers
    in a mask are not colours.

    Raises:
        StageError: it can no longer be read, although `check_image` could.
    """
    grey = _grey(path)
    dark, light = (REPAINTED, KEPT) if invert else (KEPT, REPAINTED)
    return grey.point([dark] * LOWEST_WHITE + [light] * (256 - LOWEST_WHITE))


def grey_mask_of_file(path: Path, *, invert: bool) -> Image.Image:
    """The picture as a mask that is not made black and white: as `mask_of_file` sees it before.

    Raises:
        StageError: it can no longer be read, although `check_image` could.
    """
    grey = _grey(path)
    return ImageOps.invert(grey) if invert else grey


def read_mask(params: Mapping[str, Any], file: Path | None) -> Image.Image:
    """The mask of a node of the stage `read_mask`, RGB: black is kept, white is repainted.

    Args:
        params: of the node.
        file: of the mask; None: it is a box.

    Raises:
        StageError: the file can no longer be read.
    """
    size, invert = params["size"], bool(params["invert"])
    if file is None:
        width, height = params["original_size"]
        mask = mask_of_box((width, height), tuple(params["box"]), invert=invert)
    else:
        opened = grey_mask_of_file if size is None else mask_of_file
        mask = opened(file, invert=invert)
    if size is not None:
        width, height = size
        mask = aligned_mask(resized_mask(mask, width, height, Resize[params["resize"]]))
    return mask.convert("RGB")


def _grey(path: Path) -> Image.Image:
    return _opened(path, lambda picture: picture.over_black()).convert("L")


def _opened(path: Path, view: Callable[[Picture], Image.Image]) -> Image.Image:
    try:
        with path.open("rb") as file:
            return view(decode_picture(file))
    except UnusableError as error:
        raise StageError(f"{path} {error.problem}") from error
    except OSError as error:
        raise StageError(f"{path} cannot be read: {error.strerror or error}") from error
