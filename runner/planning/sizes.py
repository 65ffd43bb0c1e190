"""Settles the size of the images, and checks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from runner.catalog.versions import Row
from runner.config.choices import WeightsSource
from runner.config.run_config import RunConfig
from runner.errors import ConfigError
from runner.weights.find import FoundWeights

if TYPE_CHECKING:
    from runner.images.inputs import InputImage


def settle_size(
    run: RunConfig, weights: FoundWeights, pictures: Mapping[str, InputImage]
) -> tuple[int, int]:
    """Height and width, in pixels: as asked for; what is left open is as in training, or follows
    the picture (`follows_picture`).
    """
    if follows_picture(run, weights):
        picture = pictures["inputs.image"]
        width, height = _nearest(run.version.sizes, picture.width / picture.height)
        return height, width
    native = weights.native_size or run.weights.pixels or run.version.native_size
    return run.height or native, run.width or native


def follows_picture(run: RunConfig, weights: FoundWeights) -> bool:
    """Whether the size is the published one nearest to the picture's shape: no other is asked for,
    and the weights are of no size of their own.
    """
    is_open = run.height is None and run.width is None
    is_published = weights.native_size is None and run.weights.pixels is None
    return run.task.shaped_by_picture and is_open and is_published


def _nearest(sizes: tuple[tuple[int, int], ...], ratio: float) -> tuple[int, int]:
    """The first (width, height) whose ratio differs least, as diffusers takes it
    (pipeline_kandinsky_i2i.py, Kandinsky5I2IPipeline.__call__).
    """
    return min(sizes, key=lambda size: abs(size[0] / size[1] - ratio))


def check_published_size(run: RunConfig, height: int, width: int) -> None:
    """Raises ConfigError for a size that the version was not published for, unless that is asked
    for; pictures of random weights are noise in every size.
    """
    version = run.version
    if run.task.shows_picture:
        _check_shown(run, height, width)
    is_free = run.any_size or run.weights.source is WeightsSource.random
    if not version.sizes or is_free or (width, height) in version.sizes:
        return
    listed = ", ".join(f"{one[0]}x{one[1]}" for one in version.sizes)
    key = "height" if run.width is None else "width"
    raise ConfigError(
        key, height if key == "height" else width,
        f"Kandinsky {version.title} was not published for {width}x{height} (width x height)",
        f"{listed}; or any_size=true",
    )  # fmt: skip


def _check_shown(run: RunConfig, height: int, width: int) -> None:
    """Raises ConfigError for a picture of more tokens than the text encoder reads, where diffusers
    ends in an error. It sees it at half size, a token for 28 x 28 pixels.
    """
    tokens, most = round(height / 56) * round(width / 56), run.version.picture_tokens
    if tokens > most:
        raise ConfigError(
            "height", height, f"{width}x{height} is {tokens} tokens of a picture, of which the "
            f"text encoder of Kandinsky {run.version.title} reads {most}",
            f"a smaller size: {most} tokens of 56x56 pixels",
        )  # fmt: skip


def check_size(key: str, size: int, row: Row) -> int:
    """The size in pixels, if the model can make it as height or width: diffusers silently rounds
    others. Raises ConfigError.
    """
    step, most = row.version.size_multiple, row.version.max_size
    if size % step or not step <= size <= most:
        lower = min(max(size // step, 1) * step, most)
        upper = min(lower + step, most)
        near = f"nearest: {lower}" + (f" or {upper}" if lower < size < upper else "")
        raise ConfigError(
            key, size, "the model cannot make this size",
            f"multiples of {step} from {step} to {most} ({near})",
        )  # fmt: skip
    return size
