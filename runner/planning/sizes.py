"""Checks the size of the images."""

from __future__ import annotations

from runner.catalog.versions import Row
from runner.errors import ConfigError


def check_size(key: str, size: int, row: Row) -> int:
    """The size, if the model can make it as height or width: diffusers silently rounds others."""
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
