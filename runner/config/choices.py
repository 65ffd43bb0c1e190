"""Enums of the config: closed sets of values, by the names that configs and commands use.

The meaning of each value is with the key that takes it (`runner.config.schema`) or in its
option's file (`conf/<group>/`).
"""

from __future__ import annotations

from enum import Enum


class Choice(Enum):
    """An enum shown by its name, as configs write it: also in `name: steps-${scheduler.name}`."""

    def __str__(self) -> str:
        return self.name


class Resize(Choice):
    """How an input picture is brought to another shape."""

    cover = "cover"
    fit = "fit"
    stretch = "stretch"


class CompileMode(Choice):
    """The mode of `torch.compile` for the modules that are called at each step."""

    off = "off"
    default = "default"
    reduce_overhead = "reduce-overhead"
    max_autotune = "max-autotune"

    @property
    def reuses_outputs(self) -> bool:
        """Whether a compiled call may overwrite what the one before gave: on CUDA these modes make
        CUDA graphs, whose outputs are in memory of their own (pytorch issue 152887).
        """
        return self in (CompileMode.reduce_overhead, CompileMode.max_autotune)


class Graphs(Choice):
    """Whether the modules that are called at each step run as graphs."""

    auto = "auto"
    on = "on"
    off = "off"


class Precision(Choice):
    """Floating point type of weights and activations."""

    fp32 = "float32"
    fp16 = "float16"
    bf16 = "bfloat16"

    @property
    def bytes(self) -> int:
        """Bytes per number."""
        return 4 if self is Precision.fp32 else 2


class WeightsSource(Choice):
    """Where checkpoints come from."""

    mini = "mini"
    hub = "hub"
    folder = "folder"
    random = "random"


class EditTemplate(Choice):
    """What Qwen reads around an instruction."""

    published = "published"
    whole = "whole"
    diffusers = "diffusers"


class LoraRole(Choice):
    """Which model a LoRA changes."""

    prior = "prior"
    decoder = "decoder"


class RandomSize(Choice):
    """How large the models of random weights are."""

    release = "release"
    tiny = "tiny"


class Seeding(Choice):
    """Where the noise of each stage comes from."""

    per_stage = "per_stage"
    shared = "shared"


class Against(Choice):
    """What a metric compares a picture with."""

    baseline = "baseline"
    image = "image"


class NegativeFor(Choice):
    """Which models of 2.x get the negative prompt. diffusers gives it to both."""

    both = "both"
    prior = "prior"
    decoder = "decoder"


class CacheMode(Choice):
    """How the store of results is used."""

    auto = "auto"
    use = "use"
    refresh = "refresh"
    off = "off"


class Tracker(Choice):
    """Where runs are recorded."""

    mlflow = "mlflow"
    none = "none"


class LoggedImages(Choice):
    """How pictures are logged in MLflow."""

    charts = "charts"
    files = "files"
    none = "none"


class Progress(Choice):
    """How progress is shown during a run."""

    auto = "auto"
    bars = "bars"
    lines = "lines"
    quiet = "quiet"
    json = "json"


class Retry(Choice):
    """Which cells a resumed sweep runs."""

    missing = "missing"
    failed = "failed"
