"""The config sections that group options set: `scheduler=ddpm`, `precision=fp16`.

Part of `runner.config.schema`, which explains how they are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from omegaconf import MISSING

from runner.catalog.attention import ATTENTION
from runner.catalog.offload import OFFLOAD
from runner.catalog.schedulers import CHECKPOINT, NAMED, OPTIONS, SCHEDULERS
from runner.catalog.tasks import TASKS
from runner.catalog.versions import VERSIONS, WITHOUT_PRIOR
from runner.config.choices import (
    Against,
    CacheMode,
    CompileMode,
    LoggedImages,
    Precision,
    Tracker,
    WeightsSource,
)
from runner.config.keys import key

STEPS = "a whole number, {} to 1000"
T = TypeVar("T")

GUIDANCE = "a number from 0"
VARIANTS = "; ".join(
    f"{', '.join(row.variants)} for {name}" for name, row in VERSIONS.items() if row.variants
)


@dataclass
class CheckpointConfig:
    """One checkpoint on the hub."""

    repo: str | None = key(
        None,
        "Repository on the Hugging Face hub. null: the published one; `kandinsky models` lists "
        "them.",
    )
    revision: str | None = key(
        None, "Branch, tag or commit of the repository. null: its main branch."
    )
    variant: str | None = key(
        None,
        "Variant of the weights' files, such as `fp16`. null: chosen by the precision and by what "
        "is there.",
    )


@dataclass
class DepthConfig(CheckpointConfig):
    repo: str | None = key(
        None,
        "Repository on the Hugging Face hub, or the path of a folder. null: the model that comes "
        "with the weights.",
        takes="a repository or a path",
        path=True,
    )


@dataclass
class StageDefaults:
    """Numbers of steps that suit a model."""

    prior: int = key(25, "Default of `prior.num_inference_steps`.", takes=STEPS.format(2))
    decoder: int = key(100, "Default of `decoder.num_inference_steps`.", takes=STEPS.format(1))


@dataclass
class GuidanceDefaults:
    """Guidance scales that suit some weights; diffusers' own for the published ones."""

    prior: float = key(4.0, "Default of `prior.guidance_scale`.", takes=GUIDANCE)
    decoder: float = key(4.0, "Default of `decoder.guidance_scale`.", takes=GUIDANCE)


@dataclass
class ModelConfig:
    version: str = key(
        "kandinsky2_2", "The version; each option sets it.", takes=", ".join(VERSIONS)
    )
    variant: str | None = key(
        None,
        "Which of a version's published models. `sft`: fine-tuned on chosen pictures; `pretrain`: "
        "before that. null: the version has one.",
        takes=VARIANTS,
    )
    steps: StageDefaults = key(StageDefaults, "Numbers of steps that suit the model.")
    guidance: float = key(
        4.0, "Default of `decoder.guidance_scale` with published weights.", takes=GUIDANCE
    )
    mini_guidance: float = key(
        2.0, "Default of `decoder.guidance_scale` with `weights=mini`.", takes=GUIDANCE
    )


@dataclass
class WeightsConfig:
    source: WeightsSource = key(WeightsSource.mini, "The kind of source; each option sets it.")
    path: str | None = key(None, "The folder; `weights=<folder>` sets it.", path=True)
    prior: CheckpointConfig = key(
        CheckpointConfig,
        "Another checkpoint of the prior. `repo` and `revision` are for `weights=hub` alone.",
    )
    decoder: CheckpointConfig = key(
        CheckpointConfig,
        f"The same for the decoder, and for the text encoders of Kandinsky {WITHOUT_PRIOR}.",
    )
    steps: StageDefaults = key(StageDefaults, "Numbers of steps that suit the weights.")
    guidance: GuidanceDefaults = key(GuidanceDefaults, "Guidance that suits the weights.")
    scheduler: str | None = key(
        None,
        "What `scheduler=checkpoint` stands for with these weights. null: what the checkpoint "
        "publishes.",
        takes=", ".join(NAMED),
    )
    size: Any = key(
        None,
        "With `weights=random`, the size of the models: `release`, or `tiny` (the same classes, a "
        "few layers). Else height and width that the weights were trained at, in pixels; null: as "
        "the checkpoint's files and the version tell.",
        takes="release, tiny, or a whole number from 1",
    )

    @property
    def pixels(self) -> int | None:
        """Height and width that the weights were trained at; None: not told here."""
        return self.size if isinstance(self.size, int) else None


@dataclass
class TaskConfig:
    name: str = key("text2img", "The task; each option sets it.", takes=", ".join(TASKS))
    prompt: str | None = key(None, "The prompt where `prompt` and `prompt_file` are not set.")


def _with_options(section: type[T]) -> type[T]:
    """Add a key for each option that a scheduler of the catalog takes."""
    for option in OPTIONS.values():
        section.__annotations__[option.name] = option.kind | None
        setattr(section, option.name, key(None, option.explanation, takes=option.takes))
    return section


@dataclass
@_with_options
class SchedulerConfig:
    """The scheduler, and all options as attributes. Each scheduler takes some of them."""

    name: str = key(
        CHECKPOINT.name, "The scheduler; each option sets it.", takes=", ".join(SCHEDULERS)
    )

    def options(self) -> dict[str, Any]:
        """All options by name."""
        return {name: getattr(self, name) for name in OPTIONS}


@dataclass
class AttentionConfig:
    backend: str = key("sdpa", "The backend; each option sets it.", takes=", ".join(ATTENTION))
    slice_size: int | None = key(
        None,
        "Attention heads that are computed at a time. null: half of them.",
        takes="a whole number from 1",
    )


@dataclass
class OffloadConfig:
    mode: str = key(
        "none", "The mode; each option sets it.", takes=", ".join(OFFLOAD), profile="offload"
    )


@dataclass
class CompileConfig:
    """`torch.compile` of prior and decoder."""

    mode: CompileMode = key(CompileMode.off, "The mode of `torch.compile`; each option sets it.")
    fullgraph: bool = key(
        False, "Refuse to split the model's graph. Needs `compile` and `offload=none`."
    )
    regional: bool = key(
        False,
        "Compile a block that repeats once, and not all of them as one graph: the first call is "
        "sooner, later ones may be slower. Needs `compile=default`, and Kandinsky 5.",
    )
    channels_last: bool = key(
        False, "The same as `channels_last=true`, by its older name; works without `compile`."
    )


@dataclass
class PrecisionConfig:
    prior: Precision = key(Precision.fp32, "Of the prior and its encoders.")
    text: Precision = key(Precision.fp32, f"Of the text encoders of Kandinsky {WITHOUT_PRIOR}.")
    depth: Precision = key(Precision.fp32, "Of the depth-estimation model.")
    decoder: Precision = key(Precision.fp32, "Of the decoder's UNet, MoVQ and text encoder.")
    metrics: Precision = key(
        Precision.fp32,
        "Of the models that metrics use. No option changes it, so that all cells of a study are "
        "measured alike.",
    )


@dataclass
class TrackingConfig:
    tracker: Tracker = key(Tracker.mlflow, "The tracker; each option sets it.")
    uri: str | None = key(
        None,
        "Address of an MLflow tracking server. null: a sqlite file in `output_dir`. User name and "
        "password in it are never recorded.",
        takes="an address or a path",
        path=True,
    )
    experiment: str | None = key(None, "MLflow experiment. null: the run's `name`.")
    images: LoggedImages = key(
        LoggedImages.charts,
        "How pictures are logged. `charts`: each by its prompt and seed, with a thumbnail, so that "
        "MLflow's image charts show the same picture of each run side by side; `files`: under the "
        "names that the run gave them, half as many; `none`: not at all.",
    )


@dataclass
class CacheConfig:
    mode: CacheMode = key(
        CacheMode.auto, "What is done with stored results; each option sets it.", profile="cache"
    )
    max_gb: float | None = key(
        20.0,
        "Space that the stored results may take, in 10^9 bytes; the least recently used are "
        "removed first. null: any.",
        takes="a number from 0",
    )


@dataclass
class MetricConfig:
    """A metric: see `runner.metrics`."""

    function: str = key(
        MISSING, "The function that measures: `package.module:name` or `path/to/file.py:name`."
    )
    against: Against | None = key(
        None,
        "Where the metric compares two pictures, the other one. `baseline`: that of the same "
        "prompt and seed in the cell that `baseline` names; `image`: the picture that this one "
        "was made from (`inputs.image`). null: `baseline`.",
    )
    clip: str | None = key(
        None,
        "Where the metric uses CLIP, the version whose CLIP it is. null: the run's own version "
        f"(for Kandinsky {WITHOUT_PRIOR}, which have none: that of 2.2).",
        takes=", ".join(VERSIONS),
    )
    arguments: dict[str, Any] = key(
        dict, "Arguments of the function; the option's file names them."
    )
