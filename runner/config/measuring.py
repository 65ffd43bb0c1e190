"""What is measured, and against what: the keys `metrics` and `baseline`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from runner.config.schema import MetricConfig
from runner.errors import ConfigError

METRIC_NAME = re.compile(r"\w[\w-]*")
TAKEN_NAMES = ("seconds", "seed", "prompt", "cell", "file")
"""What else stands beside the metrics in tables."""


def checked_metrics(metrics: Mapping[str, MetricConfig]) -> Mapping[str, MetricConfig]:
    """Names that can stand in tables and in MLflow. Raises ConfigError for others."""
    for name in metrics:
        if not METRIC_NAME.fullmatch(name):
            raise ConfigError("metrics", name, "is no name", "letters, digits, _ and -")
        if name in TAKEN_NAMES:
            raise ConfigError("metrics", name, "is the name of something else in tables")
    return metrics


def baseline_of(value: object) -> tuple[str, ...]:
    """The overrides of `baseline`: a text as on a command line, a list of overrides, or none.

    Raises:
        ConfigError: it is something else.
    """
    allowed = "overrides of the sweep: scheduler=ddim, or a list of them"
    if value is None:
        return ()
    if isinstance(value, str):
        try:
            found = shlex.split(value)
        except ValueError as error:
            raise ConfigError("baseline", value, f"cannot be read: {error}", allowed) from error
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        found = list(value)
    else:
        raise ConfigError("baseline", value, "is no text and no list of texts", allowed)
    for override in found:
        key, equals, _ = override.partition("=")
        if not key or not equals:
            raise ConfigError("baseline", override, "is no override", allowed)
    keys = [override.partition("=")[0] for override in found]
    if not found or len(set(keys)) < len(keys):
        raise ConfigError("baseline", value, "names no value, or two of one key", allowed)
    return tuple(found)
