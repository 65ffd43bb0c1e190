"""What diffusers draws with `corrections=off`, and where it gives no picture at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from runner.catalog.version import DOWN_TO_8, Fault
from runner.catalog.versions import Row
from runner.config.run_config import RunConfig
from runner.errors import ConfigError
from runner.planning.sizes import check_size

if TYPE_CHECKING:
    from runner.images.inputs import InputImage

ON = "corrections=on"


def size_in_diffusers(
    run: RunConfig, row: Row, pictures: Mapping[str, InputImage], height: int, width: int
) -> tuple[int, int]:
    """Height and width that diffusers draws where `height` x `width` is asked for.

    Raises:
        ConfigError: it ends in an error, or does not use the size.
    """
    version, task = row.version, row.task
    image = pictures.get("inputs.image")
    if version.sized_by_picture and image is not None:
        return _size_of_picture(run, row, image)
    sizes = {"height": height, "width": width}
    if (rounding := version.rounds.get(task.name)) is not None:
        sizes = {key: rounding.rounded(size) for key, size in sizes.items()}
        least = rounding.rounded(version.size_multiple)
        for key, size in sizes.items():
            if not least <= size <= version.max_size:
                check_size(key, size, row)
    else:
        for key, size in sizes.items():
            check_size(key, size, row)
    height, width = sizes["height"], sizes["width"]
    if (
        task.uses_strength and height != width and Fault.sizes_exchanged in version.faults
        and task.name not in version.draws_exchanged
    ):  # fmt: skip
        raise ConfigError(
            "height", height, f"differs from width={width}: diffusers takes them for each other, "
            "and ends in an error", f"height and width alike; or {ON}",
        )  # fmt: skip
    _check_hints(pictures, task.takes, height, width)
    return height, width


def _size_of_picture(run: RunConfig, row: Row, image: InputImage) -> tuple[int, int]:
    height, width = (DOWN_TO_8.rounded(side) for side in (image.height, image.width))
    for key, asked, size in (("height", run.height, height), ("width", run.width, width)):
        if asked not in (None, size):
            raise ConfigError(
                key, asked, f"means nothing: diffusers draws Kandinsky {row.version.title} at the "
                f"picture's own size ({width} x {height})", f"{key}={size}, or null; or {ON}",
            )  # fmt: skip
        check_size("inputs.image", size, row)
    return height, width


def _check_hints(
    pictures: Mapping[str, InputImage], takes: tuple[str, ...], height: int, width: int
) -> None:
    if "hint" not in takes:
        return
    key = "inputs.hint" if "inputs.hint" in pictures else "inputs.image"
    picture = pictures[key]
    if (picture.width, picture.height) != (width, height):
        raise ConfigError(
            key, picture.path, f"is {picture.width} x {picture.height}: diffusers does not resize "
            "a depth picture, and ends in an error", f"one of {width} x {height}; or {ON}",
        )  # fmt: skip
