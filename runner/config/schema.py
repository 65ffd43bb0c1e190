"""The typed schema of the config tree, as Hydra and OmegaConf see it.

Every key that a config file or an override may set is a field here; anything else is refused.
What a key may be chosen from is in `runner.config.choices`.
Plain (not frozen) dataclasses, `Enum` and not `Literal`: OmegaConf 2.3 takes nothing else.
They are never mutated. After `runner.config.resolve` the sections below live on, as they are,
inside the frozen `RunConfig`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from runner.config.choices import (
    Against,
    AlgorithmType,
    AttentionBackend,
    CacheMode,
    CompileMode,
    NegativeFor,
    OffloadMode,
    Precision,
    Progress,
    Resize,
    Retry,
    SchedulerName,
    Seeding,
    Task,
    TimestepSpacing,
    Tracker,
    VarianceType,
    Version,
    WeightsSource,
)


@dataclass
class CheckpointConfig:
    """One checkpoint on the hub. `null`: as the catalog says."""

    repo: str | None = None
    revision: str | None = None
    variant: str | None = None


@dataclass
class StageDefaults:
    """Step counts that suit a model; `prior` and `decoder` below take them from here."""

    prior: int = 25
    decoder: int = 100


@dataclass
class GuidanceDefaults:
    """Guidance scales that suit some weights; diffusers' own for the published ones."""

    prior: float = 4.0
    decoder: float = 4.0


@dataclass
class ModelConfig:
    version: Version = Version.kandinsky2_2
    steps: StageDefaults = field(default_factory=StageDefaults)
    # The decoder's guidance with the small family.
    mini_guidance: float = 2.0


@dataclass
class WeightsConfig:
    source: WeightsSource = WeightsSource.mini
    path: str | None = None
    prior: CheckpointConfig = field(default_factory=CheckpointConfig)
    decoder: CheckpointConfig = field(default_factory=CheckpointConfig)
    steps: StageDefaults = field(default_factory=StageDefaults)
    guidance: GuidanceDefaults = field(default_factory=GuidanceDefaults)
    # Pixels that the weights were trained at, where their own files do not tell.
    size: int | None = None


@dataclass
class TaskConfig:
    name: Task = Task.text2img
    # What is drawn where the user names no prompt.
    prompt: str | None = None


@dataclass
class SchedulerConfig:
    """The scheduler and its options; `null`: as the checkpoint has it. Each takes some of them."""

    name: SchedulerName = SchedulerName.ddim
    timestep_spacing: TimestepSpacing | None = None
    eta: float | None = None
    variance_type: VarianceType | None = None
    algorithm_type: AlgorithmType | None = None
    solver_order: int | None = None
    use_karras_sigmas: bool | None = None
    original_inference_steps: int | None = None
    clip_sample: bool | None = None
    clip_sample_range: float | None = None
    thresholding: bool | None = None
    dynamic_thresholding_ratio: float | None = None
    sample_max_value: float | None = None


@dataclass
class AttentionConfig:
    backend: AttentionBackend = AttentionBackend.sdpa
    slice_size: int | None = None


@dataclass
class OffloadConfig:
    mode: OffloadMode = OffloadMode.none


@dataclass
class CompileConfig:
    """`torch.compile` of prior and decoder. `channels_last`: memory format of their weights."""

    mode: CompileMode = CompileMode.off
    fullgraph: bool = False
    channels_last: bool = False


@dataclass
class PrecisionConfig:
    prior: Precision = Precision.fp32
    text: Precision = Precision.fp32
    depth: Precision = Precision.fp32
    decoder: Precision = Precision.fp32
    metrics: Precision = Precision.fp32


@dataclass
class TrackingConfig:
    tracker: Tracker = Tracker.mlflow
    uri: str | None = None
    experiment: str | None = None


@dataclass
class CacheConfig:
    """`max_gb`: what the stored stage results may take on disk, in 10^9 bytes; `null`: any size."""

    mode: CacheMode = CacheMode.auto
    max_gb: float | None = 20.0


@dataclass
class PriorConfig:
    """`strength`: how far the prior goes from the embedding of `inputs.image`, where it takes one;
    `negative_strength`: the same for the negative prompt.
    """

    num_inference_steps: int = 25
    guidance_scale: float = 4.0
    strength: float = 0.85
    negative_strength: float = 1.0


@dataclass
class DecoderConfig:
    num_inference_steps: int = 100
    guidance_scale: float = 4.0


@dataclass
class InputsConfig:
    """Pictures by path; by address only where `allow_urls` says so."""

    image: str | None = None
    mask: str | None = None
    mask_box: list[int] | None = None
    mask_invert: bool = False
    hint: str | None = None
    allow_urls: bool = False


@dataclass
class ItemConfig:
    """What is mixed: a text or a picture, and its share; `null`: of what the others leave."""

    text: str | None = None
    image: str | None = None
    weight: float | None = None


@dataclass
class InterpolateConfig:
    items: list[ItemConfig] = field(default_factory=list)


@dataclass
class MetricConfig:
    """A metric: see `runner.metrics`.

    `function`: "package.module:name" or "path/to/file.py:name". `against`: what it compares with,
    if it does; null: the baseline. `clip`: whose CLIP it sees with, if it does; null: the
    version's own. `arguments`: its own parameters.
    """

    function: str = MISSING
    against: Against | None = None
    clip: Version | None = None
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass
class Config:
    """The whole config of one cell."""

    model: ModelConfig = field(default_factory=ModelConfig)
    weights: WeightsConfig = field(default_factory=WeightsConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    offload: OffloadConfig = field(default_factory=OffloadConfig)
    compile: CompileConfig = field(default_factory=CompileConfig)
    precision: PrecisionConfig = field(default_factory=PrecisionConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    metrics: dict[str, MetricConfig] = field(default_factory=dict)

    name: str | None = None
    question: str | None = None
    # Overrides of a cell of the sweep, as a text or a list.
    baseline: Any = None
    # Names of numbers that a sweeper is to optimise, one or a list.
    objective: Any = None

    # One prompt or a list of them; OmegaConf has no type for that, `resolve` checks it.
    prompt: Any = None
    prompt_file: str | None = None
    negative_prompt: str | None = None
    negative_prompt_for: NegativeFor = NegativeFor.both
    seeds: list[int] = field(default_factory=lambda: [0])
    seeding: Seeding = Seeding.per_stage
    height: int | None = None
    width: int | None = None
    inputs: InputsConfig = field(default_factory=InputsConfig)
    resize: Resize = Resize.cover
    strength: float = 0.3
    interpolate: InterpolateConfig = field(default_factory=InterpolateConfig)
    depth: CheckpointConfig = field(default_factory=CheckpointConfig)
    prior: PriorConfig = field(default_factory=PriorConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)

    device: str = "auto"
    # `auto` or a number of threads.
    threads: Any = "auto"
    # `auto` or a number of processes.
    workers: Any = "auto"
    # `auto` or a number of images.
    batch_size: Any = 1
    bench: bool = False
    warmup: int = 1
    repeats: int = 5
    output_dir: str = "outputs"
    progress: Progress = Progress.auto
    report: bool = False
    resume: bool = True
    retry: Retry = Retry.missing
    debug: bool = False
