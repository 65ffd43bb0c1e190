"""What a key may be chosen from, by the names that configs and commands use.

What each choice means stands with the key that takes it (`runner.config.schema`) or in the file of
its option (`conf/<group>/`).
"""

from __future__ import annotations

from enum import Enum


class Choice(Enum):
    """Shown by its name, as it is chosen: also in `name: steps-${scheduler.name}`."""

    def __str__(self) -> str:
        return self.name


class Resize(Choice):
    """How a picture comes to another shape."""

    cover = "cover"
    fit = "fit"
    stretch = "stretch"


class CompileMode(Choice):
    """What `torch.compile` makes of the modules that are called at each step."""

    off = "off"
    default = "default"
    reduce_overhead = "reduce-overhead"
    max_autotune = "max-autotune"


class Precision(Choice):
    """Floating point type of weights and activations."""

    fp32 = "float32"
    fp16 = "float16"
    bf16 = "bfloat16"

    @property
    def bytes(self) -> int:
        """Of a number."""
        return 4 if self is Precision.fp32 else 2


class WeightsSource(Choice):
    """Where checkpoints come from."""

    mini = "mini"
    hub = "hub"
    folder = "folder"


class Seeding(Choice):
    """Where the noise of each stage comes from."""

    per_stage = "per_stage"
    shared = "shared"


class Against(Choice):
    """What a picture is compared with."""

    baseline = "baseline"
    image = "image"


class NegativeFor(Choice):
    """Which models of 2.x are told the negative prompt. diffusers tells both."""

    both = "both"
    prior = "prior"
    decoder = "decoder"


class CacheMode(Choice):
    """What is done with stored results."""

    auto = "auto"
    use = "use"
    refresh = "refresh"
    off = "off"


class Tracker(Choice):
    """Where runs are recorded."""

    mlflow = "mlflow"
    none = "none"


class Progress(Choice):
    """What is shown while a run goes on."""

    auto = "auto"
    bars = "bars"
    lines = "lines"
    quiet = "quiet"
    json = "json"


class Retry(Choice):
    """Which cells a resumed sweep runs."""

    missing = "missing"
    failed = "failed"
