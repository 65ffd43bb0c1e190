"""Checks the size of the images."""

from __future__ import annotations

from runner.catalog.versions import Row
from runner.config.choices import WeightsSource
from runner.config.run_config import RunConfig
from runner.errors import ConfigError


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
