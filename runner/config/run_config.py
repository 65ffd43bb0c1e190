"""What one cell is to do: the only config that the rest ever sees.

`RunConfig` is frozen. Its sections are the dataclasses of `runner.config.schema`, which OmegaConf
cannot fill if they are; nothing changes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.catalog.offload import Offload
from runner.catalog.tasks import Task
from runner.catalog.version import Version
from runner.config.choices import (
    CacheMode,
    NegativeFor,
    Progress,
    Resize,
    Retry,
    Seeding,
)
from runner.config.groups import (
    AttentionConfig,
    CheckpointConfig,
    CompileConfig,
    MetricConfig,
    PrecisionConfig,
    SchedulerConfig,
    TrackingConfig,
    WeightsConfig,
)
from runner.config.sections import DecoderConfig, InputsConfig, PriorConfig


@dataclass(frozen=True)
class InterpolateItem:
    """A text or a picture (one of both), and its share of the mix."""

    text: str | None
    image: str | None
    weight: float


@dataclass(frozen=True)
class Bench:
    """How often a stage is run before it is measured, and while."""

    warmup: int
    repeats: int


@dataclass(frozen=True)
class RunConfig:
    """One cell: checked in itself, not yet against the weights and the machine (`runner.planning`).

    Attributes:
        objective: names of the numbers that a sweeper optimises.
        prompts: at least one; the empty text only for `task=interpolate` without a prompt.
        height, width: pixels, or None for the size that the weights were trained at.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        threads: CPU threads, or None for "by the size of the model".
        workers: processes that run stages, or None for "by the machine and the work".
        cache: never `auto`.
        batch_size: images that one call may make; None for "by the device".
        bench: how often each stage is run to measure it; None: once, as ever.
        output_dir: absolute.
        composed: the config as composed, every interpolation resolved: what is logged.
        overrides: the command line's own overrides.
        metrics: what is measured, by name.
        baseline: overrides that lead from a cell of a sweep to the one it is compared with.
    """

    name: str
    question: str | None
    version: Version
    task: Task
    weights: WeightsConfig
    scheduler: SchedulerConfig
    attention: AttentionConfig
    offload: Offload
    compile: CompileConfig
    precision: PrecisionConfig
    tracking: TrackingConfig
    cache: CacheMode
    cache_max_gb: float | None
    metrics: Mapping[str, MetricConfig]
    baseline: tuple[str, ...]
    objective: tuple[str, ...]
    prompts: tuple[str, ...]
    negative_prompt: str | None
    negative_prompt_for: NegativeFor
    seeds: tuple[int, ...]
    seeding: Seeding
    height: int | None
    width: int | None
    inputs: InputsConfig
    resize: Resize
    strength: float
    interpolate: tuple[InterpolateItem, ...]
    depth: CheckpointConfig
    prior: PriorConfig
    decoder: DecoderConfig
    device: str
    threads: int | None
    workers: int | None
    batch_size: int | None
    bench: Bench | None
    output_dir: Path
    progress: Progress
    report: bool
    resume: bool
    retry: Retry
    debug: bool
    composed: Mapping[str, Any]
    overrides: tuple[str, ...]
