"""Finds a run's metrics and checks that the run has what they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from runner.catalog.versions import VERSIONS, Row
from runner.config.choices import Against
from runner.config.groups import MetricConfig
from runner.config.run_config import RunConfig
from runner.errors import ConfigError
from runner.metrics.find import FoundMetric
from runner.planning.specs import clip_role, judge_role
from runner.system.text import pluralize
from runner.weights.judges import WHERE, AskedJudge

FindMetric: TypeAlias = Callable[[str, MetricConfig], FoundMetric]


def find_metrics(run: RunConfig, find: FindMetric) -> tuple[FoundMetric, ...]:
    """The metrics of a run.

    Raises:
        ConfigError: a metric does not exist, or does not fit this run.
    """
    found = tuple(find(name, config) for name, config in run.metrics.items())
    for metric in found:
        _check(run, metric, run.metrics[metric.name])
    return found


def against_baseline(run: RunConfig, metric: FoundMetric) -> bool:
    """Whether the metric compares with the baseline's pictures."""
    image = run.metrics[metric.name].against is Against.image
    return "reference" in metric.takes and not image


def check_smallest(metrics: Sequence[FoundMetric], height: int, width: int) -> None:
    """Raises ConfigError for pictures that are too small for a metric."""
    for metric in metrics:
        smallest = metric.description.smallest
        if min(height, width) < smallest:
            raise ConfigError(
                "metrics", metric.name, f"these pictures of {width} x {height} px are too small",
                f"height and width from {smallest} on, or without {metric.name}",
            )  # fmt: skip


def asked_judges(run: RunConfig, metrics: Sequence[FoundMetric]) -> tuple[AskedJudge, ...]:
    """The judges that the metrics use."""
    return tuple(
        AskedJudge(
            judge_role(metric.name),
            metric.judge,
            f"metrics.{metric.name}.arguments",
            {name: run.metrics[metric.name].arguments.get(name) for name in metric.places},
        )
        for metric in metrics
        if metric.judge is not None
    )


def add_models(row: Row, run: RunConfig, metrics: Sequence[FoundMetric]) -> Row:
    """The row, with the checkpoints that the metrics use: CLIPs, and parts of judges."""
    configs = [run.metrics[metric.name] for metric in metrics if "clip" in metric.takes]
    clips = {
        clip_role(run, config): VERSIONS[config.clip or run.version.name].clip for config in configs
    }
    judges = {
        asked.role_of(part): asked.judge.checkpoint(part)
        for asked in asked_judges(run, metrics)
        for part in asked.judge.parts
    }
    return replace(row, checkpoints={**row.checkpoints, **clips, **judges})


def _check_number(run: RunConfig, metric: FoundMetric) -> None:
    images, fewest = len(run.prompts) * len(run.seeds), metric.description.fewest
    if images < fewest:
        raise ConfigError(
            "metrics", metric.name, f"a cell of {pluralize(images, 'image')} is too small for it",
            f"prompts and seeds for {fewest} or more, or without {metric.name}",
        )  # fmt: skip


def _check(run: RunConfig, metric: FoundMetric, config: MetricConfig) -> None:
    _check_number(run, metric)
    key = f"metrics.{metric.name}"
    if config.clip is not None and "clip" not in metric.takes:
        raise ConfigError(f"{key}.clip", config.clip, f"{metric.name} uses no CLIP", ["null"])
    for place in metric.places:
        told = config.arguments.get(place)
        if not isinstance(told, str | None):
            raise ConfigError(f"{key}.arguments.{place}", told, "says no place", WHERE)
    if config.against is not None and "reference" not in metric.takes:
        raise ConfigError(
            f"{key}.against", config.against.name, f"{metric.name} compares with nothing", ["null"]
        )
    if config.against is Against.image and run.inputs.image is None:
        raise ConfigError(
            f"{key}.against", "image", f"task={run.task.name} has no inputs.image here",
            ["baseline"],
        )  # fmt: skip
    if "prompt" in metric.takes and not all(run.prompts):
        raise ConfigError(
            "metrics", metric.name, f"needs a prompt, and this task={run.task.name} has none",
            f"prompt=..., or without {metric.name}",
        )  # fmt: skip
