"""Checks of the `weights` section that need nothing but the config itself."""

from __future__ import annotations

from runner.config.choices import RandomSize, WeightsSource
from runner.config.groups import WeightsConfig
from runner.errors import ConfigError


def check_weights(weights: WeightsConfig) -> None:
    """Raise ConfigError for a key that means nothing with the source of the weights."""
    if weights.source is WeightsSource.folder and not weights.path:
        raise ConfigError("weights.path", weights.path, "names no folder", "weights=<folder>")
    if weights.source is not WeightsSource.folder and weights.path:
        raise ConfigError(
            "weights.path", weights.path, f"means nothing with weights={weights.source.name}",
            f"weights={weights.path}, or weights.path=null",
        )  # fmt: skip
    _check_size(weights)
    if weights.source is WeightsSource.hub:
        return
    made = weights.source is WeightsSource.random
    for role in ("prior", "decoder"):
        for name in ("repo", "revision", *(("variant",) if made else ())):
            value = getattr(getattr(weights, role), name)
            if value is not None:
                key = f"weights.{role}.{name}"
                raise ConfigError(
                    key, value, f"means nothing with weights={weights.source.name}", "weights=hub"
                )


def _check_size(weights: WeightsConfig) -> None:
    size, names = weights.size, [one.name for one in RandomSize]
    if weights.source is WeightsSource.random:
        if size not in names:
            raise ConfigError("weights.size", size, "is no size of random weights", names)
    elif size in names:
        raise ConfigError(
            "weights.size", size, f"means nothing with weights={weights.source.name}",
            "weights=random",
        )  # fmt: skip
    elif size is not None and (isinstance(size, bool) or not isinstance(size, int) or size <= 0):
        raise ConfigError(
            "weights.size", size, "is no number of pixels", "a positive number, or null"
        )
