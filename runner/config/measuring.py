"""Checks of the keys on measuring: `metrics`, `baseline`, `objective`, `bench`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from runner.catalog.versions import VERSIONS
from runner.config.checks import row_named
from runner.config.choices import CacheMode
from runner.config.groups import MetricConfig
from runner.config.run_config import Bench
from runner.config.schema import Config
from runner.errors import ConfigError

METRIC_NAME = re.compile(r"\w[\w-]*")
MOST_REPEATS = 1000

SECONDS = "seconds"
"""Seconds of all stages of an image, whenever each ran."""

SPEED = "steps_per_second"
"""Steps per second of the decoder, its MoVQ's time included; only with `bench=true`."""

JOULES = "joules"
"""Energy of an accelerator for an image, where it tells; only with `bench=true`."""

MEMORY = "peak_device_mb"
"""Peak memory of an accelerator, where there is one."""

WEIGHTS = "weights_mb"
"""Memory of the models' weights as they are held, where cells differ in it."""

ONE_WORKER = "bench=true measures, and workers slow each other down"
"""Why stages are measured in one process."""

TAKEN_NAMES = (SECONDS, SPEED, JOULES, MEMORY, WEIGHTS, "seed", "prompt", "cell", "file")
"""Other columns in the tables of metrics: no metric may have these names."""


def check_metrics(metrics: Mapping[str, MetricConfig]) -> Mapping[str, MetricConfig]:
    """Check that metrics have names fit for tables and MLflow, and an existing CLIP. Raises
    ConfigError.
    """
    for name, metric in metrics.items():
        if not METRIC_NAME.fullmatch(name):
            raise ConfigError("metrics", name, "is no name", "letters, digits, _ and -")
        if name in TAKEN_NAMES:
            allowed = f"another name than {', '.join(TAKEN_NAMES)}"
            raise ConfigError("metrics", name, "is the name of something else in tables", allowed)
        if metric.clip is not None:
            row_named(f"metrics.{name}.clip", metric.clip, VERSIONS)
    return metrics


def baseline_of(value: object) -> tuple[str, ...]:
    """The overrides of `baseline`: a text as on a command line, a list of overrides, or none.

    Raises:
        ConfigError: it is none of these, or names a key without a value or twice.
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


def check_objective(config: Config) -> tuple[str, ...]:
    """Check that objectives name measured numbers. Raises ConfigError."""
    value = config.objective
    names = [] if value is None else [value] if isinstance(value, str) else value
    known = [*config.metrics, SECONDS]
    if not isinstance(names, list):
        raise ConfigError("objective", value, "is no name and no list of names", known)
    for name in names:
        if name == SECONDS and not config.bench:
            problem = "is not measured without bench=true: each cell would have another load"
            raise ConfigError("objective", name, problem, [*config.metrics, "bench=true"])
        if str(name).partition(".")[0] not in known:
            raise ConfigError("objective", name, "is not measured here (metrics=[...])", known)
    return tuple(map(str, names))


def settle_cache(config: Config) -> CacheMode:
    """The cache mode, with `auto` resolved."""
    if config.cache.mode is not CacheMode.auto:
        return config.cache.mode
    return CacheMode.off if config.bench else CacheMode.use


def check_bench(config: Config) -> Bench | None:
    """How often to run each stage.

    Raises:
        ConfigError: a number is out of range, or a key would spoil the measurement.
    """
    for key, least in (("warmup", 0), ("repeats", 1)):
        value = getattr(config, key)
        if not least <= value <= MOST_REPEATS:
            raise ConfigError(key, value, "is out of range", f"{least} to {MOST_REPEATS}")
    if not config.bench:
        return None
    if config.cache.mode is CacheMode.use:
        raise ConfigError(
            "cache", "use", "bench=true measures, and this would take what is stored",
            ["auto", "off", "refresh"],
        )  # fmt: skip
    if config.workers not in ("auto", 1):
        raise ConfigError(
            "workers", config.workers, ONE_WORKER,
            ["auto", "1"],
        )  # fmt: skip
    return Bench(config.warmup, config.repeats)
