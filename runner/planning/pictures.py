"""Input pictures: fetches those named by a URL into the cache if allowed, and checks them all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.config.choices import Resize
from runner.config.run_config import RunConfig
from runner.errors import ConfigError
from runner.system.credentials import strip_credentials
from runner.system.files import write_whole
from runner.system.text import format_bytes

if TYPE_CHECKING:
    from runner.images.inputs import InputImage

MOST_BYTES = 100 << 20
SECONDS = 30


def localize_pictures(run: RunConfig, folder: Path, *, download: bool) -> RunConfig:
    """The run, with a local file in place of each URL.

    Args:
        folder: where fetched pictures are kept, by the hash of their URL.
        download: fetch pictures that are not there yet.

    Raises:
        ConfigError: URLs are not allowed, or one cannot be fetched.
    """

    def local(path: str | None, key: str) -> str | None:
        if path is None or not is_address(path):
            return path
        return str(_fetched(path, key, folder, run.inputs.allow_urls, download))

    inputs = replace(
        run.inputs,
        image=local(run.inputs.image, "inputs.image"),
        mask=local(run.inputs.mask, "inputs.mask"),
        hint=local(run.inputs.hint, "inputs.hint"),
    )
    items = tuple(
        replace(item, image=local(item.image, f"interpolate.items[{number}].image"))
        for number, item in enumerate(run.interpolate)
    )
    return replace(run, inputs=inputs, interpolate=items)


def is_address(path: str) -> bool:
    """Whether a picture is named by an address, which has to be fetched."""
    return path.startswith(("http://", "https://"))


def named_pictures(run: RunConfig) -> dict[str, str]:
    """The paths and addresses of a run's input pictures, by config key."""
    named = {
        **{f"inputs.{name}": getattr(run.inputs, name) for name in ("image", "mask", "hint")},
        **{f"interpolate.items[{n}].image": item.image for n, item in enumerate(run.interpolate)},
    }
    return {key: path for key, path in named.items() if path is not None}


def _fetched(url: str, key: str, folder: Path, allowed: bool, download: bool) -> Path:
    shown = strip_credentials(url)
    if not allowed:
        raise ConfigError(
            key, shown, "is an address, and inputs.allow_urls is false",
            "a path; or inputs.allow_urls=true",
        )  # fmt: skip
    if "@" in url.split("/")[2]:
        raise ConfigError(
            key, shown, "holds a user or a password, which are not sent",
            "an address that is open to all, or a path",
        )  # fmt: skip
    target = folder / hashlib.sha256(url.encode()).hexdigest()[:16]
    if target.is_file():
        return target
    if not download:
        raise ConfigError(
            key, shown, "is not fetched yet, so its size and its hash are not known",
            "a run, which fetches it; or a path",
        )  # fmt: skip
    _fetch(url, target, key, shown)
    return target


def _fetch(url: str, target: Path, key: str, shown: str) -> None:
    # Imported here: most runs do not need it, and it takes as long to import as the whole plan.
    from http.client import HTTPException
    from urllib.error import URLError
    from urllib.request import Request, urlopen

    try:
        request = Request(url, headers={"User-Agent": "kandinsky-runner"})
        with urlopen(request, timeout=SECONDS) as answer:
            content = answer.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ConfigError(key, shown, f"has more than {format_bytes(MOST_BYTES)}")
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content)
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ConfigError(key, shown, f"cannot be fetched: {reason}") from error


ASPECT_TOLERANCE = 0.01


def check_pictures(run: RunConfig) -> dict[str, InputImage]:
    """The run's input pictures by config key, each decoded once as a check.

    Raises:
        ConfigError: a picture is missing, damaged, or does not fit the others.
    """
    given = named_pictures(run)
    if not given:
        return {}
    # Imported here: most plans do not need Pillow.
    from runner.images.inputs import check_image

    found = {key: check_image(path, key) for key, path in given.items()}
    image = found.get("inputs.image")
    if image is not None:
        _check_mask(run, image, found.get("inputs.mask"))
        _check_hint(image, found.get("inputs.hint"))
    return found


def _check_mask(run: RunConfig, image: InputImage, mask: InputImage | None) -> None:
    size = f"{image.width} x {image.height}"
    if mask is not None and (mask.width, mask.height) != (image.width, image.height):
        raise ConfigError(
            "inputs.mask", mask.path, f"is {mask.width} x {mask.height}, and inputs.image {size}",
            "a mask of the picture's own size",
        )  # fmt: skip
    box = run.inputs.mask_box
    if box is not None and (box[2] > image.width or box[3] > image.height):
        raise ConfigError("inputs.mask_box", box, f"goes beyond the picture, which is {size}")


def check_repainted(
    run: RunConfig, pictures: Mapping[str, InputImage], size: tuple[int, int]
) -> None:
    """Check that the mask leaves something to repaint.

    Args:
        pictures: the input pictures, by config key.
        size: width, height of the images.

    Raises:
        ConfigError: it repaints nothing, or only what is cut off by `resize`, or only what
            diffusers does not look at.
    """
    inputs, image = run.inputs, pictures.get("inputs.image")
    mask = pictures.get("inputs.mask")
    if image is None or (mask is None and inputs.mask_box is None):
        return
    box = None if inputs.mask_box is None else tuple(inputs.mask_box)
    # Uncorrected, diffusers stretches pictures and masks.
    resize = run.resize if run.corrections else Resize.stretch
    asked = mask, box, inputs.mask_invert, (image.width, image.height)
    if _repaints(*asked, size, resize):
        if not run.corrections and not _repaints_in_diffusers(*asked, size):
            raise _too_fine(inputs.mask_box if mask is None else mask.path, mask is None)
        return
    key = "inputs.mask_box" if mask is None else "inputs.mask"
    given = inputs.mask_box if mask is None else mask.path
    if _repaints(*asked, size, Resize.stretch):
        raise ConfigError(
            key, given, f"repaints nothing but what is cut off the picture: {image.width}x"
            f"{image.height} is to fill {size[0]}x{size[1]} (resize=cover)",
            "resize=fit or resize=stretch, or another height and width",
        )  # fmt: skip
    whole = "the whole picture is in the box" if mask is None else "there is no black in it"
    why = whole if inputs.mask_invert else "there is no white in it"
    flipped = str(not inputs.mask_invert).lower()
    raise ConfigError(
        key, given, f"repaints nothing: {why}, and inputs.mask_invert="
        f"{str(inputs.mask_invert).lower()}", f"another mask, or inputs.mask_invert={flipped}",
    )  # fmt: skip


@cache
def _repaints(
    mask: InputImage | None,
    box: Any,
    invert: bool,
    picture: tuple[int, int],
    size: tuple[int, int],
    resize: Resize,
) -> bool:
    # Imported here: most plans do not need Pillow.
    from runner.images.geometry import mask_of_box, repaints
    from runner.images.inputs import mask_of_file

    if mask is not None:
        return repaints(mask_of_file(mask.path, invert=invert), size, resize)
    return repaints(mask_of_box(picture, box, invert=invert), size, resize)


@cache
def _repaints_in_diffusers(
    mask: InputImage | None, box: Any, invert: bool, picture: tuple[int, int], size: tuple[int, int]
) -> bool:
    from runner.images.geometry import mask_of_box, repaints_in_diffusers
    from runner.images.inputs import grey_mask_of_file

    if mask is not None:
        grey = grey_mask_of_file(mask.path, invert=invert)
        return repaints_in_diffusers(grey, size, is_box=False)
    drawn = mask_of_box(picture, box, invert=invert)
    return repaints_in_diffusers(drawn, size, is_box=True)


def _too_fine(given: object, is_box: bool) -> ConfigError:
    return ConfigError(
        "inputs.mask_box" if is_box else "inputs.mask", given,
        "repaints nothing in diffusers, which reads one pixel of a mask for each 8x8 pixels",
        "a larger one, or corrections=on",
    )  # fmt: skip


def _check_hint(image: InputImage, hint: InputImage | None) -> None:
    if hint is None:
        return
    ratio = (hint.width * image.height) / (hint.height * image.width)
    if abs(ratio - 1) > ASPECT_TOLERANCE:
        raise ConfigError(
            "inputs.hint", hint.path,
            f"is {hint.width} x {hint.height}, of another shape than inputs.image "
            f"({image.width} x {image.height})",
            "a hint of the picture's shape",
        )  # fmt: skip
