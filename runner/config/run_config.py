"""The checked config of one cell: the only config that the rest of the runner sees.

`RunConfig` is frozen. Its sections are the dataclasses of `runner.config.schema`, not frozen, as
OmegaConf could not fill them; nothing changes them.
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
    EditTemplate,
    Graphs,
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
from runner.config.sections import DecoderConfig, InputsConfig, PriorConfig, QuantizeConfig


@dataclass(frozen=True)
class InterpolateItem:
    """A text or a picture (exactly one), and its share of the mix."""

    text: str | None
    image: str | None
    weight: float


@dataclass(frozen=True)
class Lora:
    """A LoRA, and the role whose model it changes.

    Attributes:
        path: of a file, or of a folder that holds one; "mini:NAME", one of the small family; or
            owner/name, a repository of the hub.
        file: its name in the folder or repository; None: the one that is there.
        revision: branch, tag or commit of the repository; None: its main branch.
    """

    path: str
    weight: float
    role: str
    file: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class Bench:
    """How often a stage runs before it is measured, and how often it is measured."""

    warmup: int
    repeats: int


@dataclass(frozen=True)
class RunConfig:
    """One cell: checked by itself, not yet against weights and machine (`runner.planning`).

    Attributes:
        objective: names of the numbers that a sweeper optimises.
        prompts: at least one; the empty text only for `task=interpolate` without a prompt.
        height, width: pixels, or None for the size that the weights were trained at.
        any_size: draw sizes that the version was not published for.
        corrections: correct what diffusers does silently wrong.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        threads: CPU threads, or None to choose by the size of the model.
        workers: processes that run stages, or None to choose by machine and work.
        workers_keep: seconds that these stay after a command; None: they end with it.
        cache: never `auto`.
        channels_last: None to choose by device and precision; see `planning.specs.channels_last`.
        batch_size: most images per call; None to choose by the device.
        bench: how often each stage runs to be measured; None: once, without measuring.
        output_dir: absolute.
        composed: the composed config with interpolations resolved, as it is logged.
        into: names the sweep to join; None: a sweep of its own. Records do not list it.
        overrides: the command line's own overrides.
        flags: where else configs were looked for, as on the command line: --config-dir DIR.
        metrics: the metrics, by name.
        baseline: overrides that turn a cell of a sweep into the one it is compared with.
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
    channels_last: bool | None
    precision: PrecisionConfig
    quantize: QuantizeConfig
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
    any_size: bool
    inputs: InputsConfig
    resize: Resize
    strength: float
    edit_template: EditTemplate
    interpolate: tuple[InterpolateItem, ...]
    lora: tuple[Lora, ...]
    depth: CheckpointConfig
    prior: PriorConfig
    decoder: DecoderConfig
    corrections: bool
    device: str
    threads: int | None
    workers: int | None
    workers_keep: float | None
    batch_size: int | None
    graphs: Graphs
    bench: Bench | None
    output_dir: Path
    progress: Progress
    report: bool
    skip_invalid: bool
    resume: bool
    into: str | None
    retry: Retry
    debug: bool
    composed: Mapping[str, Any]
    overrides: tuple[str, ...]
    flags: tuple[str, ...]

    @property
    def recorded(self) -> Mapping[str, Any]:
        """The config as records hold it: `composed`, which fingerprints hash, with `corrections` in
        the words that users type (YAML reads on and off as truth values).
        """
        return {**self.composed, "corrections": "on" if self.corrections else "off"}
