"""The typed schema of the config tree, as Hydra and OmegaConf see it.

Every key that a config file or an override may set is a field here; anything else is refused.
Plain (not frozen) dataclasses, `Enum` and not `Literal`: OmegaConf 2.3 takes nothing else.
They are never mutated. After `runner.config.resolve` the sections below live on, as they are,
inside the frozen `RunConfig`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Choice(Enum):
    """Shown by its name, as it is chosen: also in `name: steps-${scheduler.name}`."""

    def __str__(self) -> str:
        return self.name


class Version(Choice):
    """A Kandinsky generation: name = config option, value = how people write it."""

    kandinsky2_2 = "2.2"


class Task(Choice):
    """What is made from what."""

    text2img = "text2img"


class SchedulerName(Choice):
    """Noise schedulers that give right results with the decoder."""

    ddim = "ddim"
    ddpm = "ddpm"


class AttentionBackend(Choice):
    """How attention is computed in every attention layer of the pipelines."""

    sdpa = "sdpa"
    plain = "plain"
    sliced = "sliced"
    xformers = "xformers"


class OffloadMode(Choice):
    """Where weights wait while they are not in use."""

    none = "none"
    model = "model"
    sequential = "sequential"


class Precision(Choice):
    """Floating point type of weights and activations."""

    fp32 = "float32"
    fp16 = "float16"
    bf16 = "bfloat16"


class WeightsSource(Choice):
    """Where checkpoints come from."""

    mini = "mini"
    hub = "hub"
    folder = "folder"


class Seeding(Choice):
    """per_stage: each stage starts from the seed. shared: one generator runs through all."""

    per_stage = "per_stage"
    shared = "shared"


class CacheMode(Choice):
    """use: take stored results. refresh: make them anew and store. off: neither read nor store."""

    use = "use"
    refresh = "refresh"
    off = "off"


class Tracker(Choice):
    """Where runs are recorded."""

    mlflow = "mlflow"
    none = "none"


class Progress(Choice):
    """auto: live bars on a terminal, plain lines in a pipe."""

    auto = "auto"
    bars = "bars"
    lines = "lines"
    quiet = "quiet"


@dataclass
class ModelConfig:
    version: Version = Version.kandinsky2_2


@dataclass
class CheckpointConfig:
    """One checkpoint on the hub. `null`: as the catalog says."""

    repo: str | None = None
    revision: str | None = None
    variant: str | None = None


@dataclass
class StageDefaults:
    """Step counts that suit these weights; `prior` and `decoder` below take them from here."""

    prior: int = 25
    decoder: int = 100


@dataclass
class WeightsConfig:
    source: WeightsSource = WeightsSource.mini
    path: str | None = None
    prior: CheckpointConfig = field(default_factory=CheckpointConfig)
    decoder: CheckpointConfig = field(default_factory=CheckpointConfig)
    steps: StageDefaults = field(default_factory=StageDefaults)


@dataclass
class TaskConfig:
    name: Task = Task.text2img


@dataclass
class SchedulerConfig:
    name: SchedulerName = SchedulerName.ddim


@dataclass
class AttentionConfig:
    backend: AttentionBackend = AttentionBackend.sdpa
    slice_size: int | None = None


@dataclass
class OffloadConfig:
    mode: OffloadMode = OffloadMode.none


@dataclass
class PrecisionConfig:
    prior: Precision = Precision.fp32
    decoder: Precision = Precision.fp32


@dataclass
class TrackingConfig:
    tracker: Tracker = Tracker.mlflow
    uri: str | None = None
    experiment: str | None = None


@dataclass
class CacheConfig:
    mode: CacheMode = CacheMode.use


@dataclass
class PriorConfig:
    num_inference_steps: int = 25
    guidance_scale: float = 4.0


@dataclass
class DecoderConfig:
    num_inference_steps: int = 100
    guidance_scale: float = 4.0


@dataclass
class Config:
    """The whole config of one cell."""

    model: ModelConfig = field(default_factory=ModelConfig)
    weights: WeightsConfig = field(default_factory=WeightsConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    offload: OffloadConfig = field(default_factory=OffloadConfig)
    precision: PrecisionConfig = field(default_factory=PrecisionConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)

    name: str | None = None
    question: str | None = None

    # One prompt or a list of them; OmegaConf has no type for that, `resolve` checks it.
    prompt: Any = None
    prompt_file: str | None = None
    negative_prompt: str | None = None
    seeds: list[int] = field(default_factory=lambda: [0])
    seeding: Seeding = Seeding.per_stage
    height: int | None = None
    width: int | None = None
    prior: PriorConfig = field(default_factory=PriorConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)

    device: str = "auto"
    # `auto` or a number of threads.
    threads: Any = "auto"
    output_dir: str = "outputs"
    progress: Progress = Progress.auto
    debug: bool = False
