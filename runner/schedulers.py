"""Scheduler names -> diffusers classes; a swap keeps what the weights were trained with."""

from __future__ import annotations

import inspect
from typing import Any

from runner.errors import StageError
from runner.graph import SchedulerSpec

CLASSES = {"ddim": "DDIMScheduler", "ddpm": "DDPMScheduler"}

LEARNED_VARIANCE = ("learned", "learned_range")

TRAINED = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas",
    "prediction_type",
)  # fmt: skip
"""What the weights were trained with: every swap keeps it."""


def swapped_scheduler(own: Any, spec: SchedulerSpec) -> Any:
    """A scheduler of the asked-for class with the noise levels and prediction type of `own`.

    The checkpoint's DDPM is kept as it is, with its learned variance. Any other class cannot use
    the variance half of the UNet's output; a left-over `variance_type` would make the pipeline
    pass both halves on, so it is dropped and the pipeline drops that half
    (diffusers, pipeline_kandinsky2_2.py).

    Raises:
        StageError: the new scheduler does not read back as it was asked for.
    """
    import diffusers

    scheduler_class = getattr(diffusers, CLASSES[spec.name])
    options = dict(spec.options)
    if type(own) is scheduler_class and not options:
        scheduler = scheduler_class.from_config(own.config)
    else:
        config = {key: value for key, value in own.config.items() if key != "variance_type"}
        # DDIM's default clips latents, which go well beyond [-1, 1], to nothing.
        config.setdefault("clip_sample", False)
        scheduler = scheduler_class.from_config({**config, **options})
    _check(own, scheduler, spec)
    return scheduler


def _check(own: Any, scheduler: Any, spec: SchedulerSpec) -> None:
    # diffusers keeps in `config` what the class does not take, so that alone proves nothing.
    taken = inspect.signature(type(scheduler).__init__).parameters
    read_back = {key: value for key, value in scheduler.config.items() if key in taken}
    for name in TRAINED:
        if name in own.config and read_back.get(name) != own.config[name]:
            raise StageError(
                f"scheduler={spec.name}: {name} is {read_back.get(name)!r} after the swap, "
                f"the weights were trained with {own.config[name]!r}"
            )
    for name, value in spec.options:
        if name not in read_back or read_back[name] != value:
            raise StageError(f"scheduler={spec.name}: {name}={value!r} had no effect")
    variance = scheduler.config.get("variance_type")
    if spec.name != "ddpm" and variance in LEARNED_VARIANCE:
        raise StageError(f"scheduler={spec.name}: cannot use variance_type={variance!r}")
