"""Swaps a live scheduler for another class; settings from the weights' training are kept."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import Any

from runner.catalog.schedulers import OPTIONS, SCHEDULERS
from runner.errors import StageError
from runner.graph.node import SchedulerSpec

LEARNED_VARIANCE = ("learned", "learned_range")

STEP_OPTIONS = tuple(option.name for option in OPTIONS.values() if option.in_step)

COSINE_LAMBDA = -5.1
"""The cosine schedule of Kandinsky 3 begins at next to no signal, where DPM-Solver++ overflows; its
documentation asks for this bound (DPMSolverMultistepScheduler, lambda_min_clipped)."""

TRAINED = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas",
    "prediction_type",
)  # fmt: skip
"""Settings that the weights were trained with: every swap keeps them."""


def swap_scheduler(own: Any, spec: SchedulerSpec, folder: Path | None = None) -> Any:
    """A scheduler of the requested class with the noise levels and prediction type of `own`.

    The checkpoint's DDPM is kept as it is, with its learned variance. Any other class cannot use
    the variance half of the UNet's output; a left-over `variance_type` would make the pipeline
    pass both halves on, so it is dropped and the pipeline drops that half
    (diffusers, pipeline_kandinsky2_2.py).

    Args:
        folder: where the checkpoint has a config of its own for this class, as 2.1 for DDPM.

    Raises:
        StageError: the new scheduler's settings read back differ from the requested ones.
    """
    import diffusers

    row = SCHEDULERS[spec.name]
    assert row.diffusers is not None, "the checkpoint's own is never swapped"
    scheduler_class = getattr(diffusers, row.diffusers)
    options = dict(spec.options)
    if folder is not None:
        own = scheduler_class.from_pretrained(str(folder), local_files_only=True)
    config = dict(own.config)
    if row.flow is not _trained_by_flow(config):
        kind = "noise levels" if row.flow else "flow matching"
        raise StageError(f"scheduler={spec.name}: the weights were trained by {kind}")
    if type(own) is not scheduler_class:
        config.pop("variance_type", None)
        # DDIM's default clips to [-1, 1]; latents go well beyond that.
        config.setdefault("clip_sample", False)
    if "lambda_min_clipped" in _taken(scheduler_class) and _starts_at_infinity(config):
        config["lambda_min_clipped"] = COSINE_LAMBDA
    in_config = {name: value for name, value in options.items() if name not in STEP_OPTIONS}
    scheduler = scheduler_class.from_config({**config, **in_config})
    in_step = {name: value for name, value in options.items() if name in STEP_OPTIONS}
    if in_step:
        scheduler.step = functools.partial(scheduler.step, **in_step)
    _check(own, scheduler, spec)
    return scheduler


def scheduler_settings(scheduler: Any) -> dict[str, Any]:
    """A live scheduler's settings: its config, and the arguments bound to its `step`."""
    settings = {
        key: value for key, value in sorted(scheduler.config.items()) if not key.startswith("_")
    }
    bound = scheduler.step.keywords if isinstance(scheduler.step, functools.partial) else {}
    return {**settings, **bound}


def _check(own: Any, scheduler: Any, spec: SchedulerSpec) -> None:
    # diffusers also keeps options in `config` that the class does not take: no proof by itself.
    taken = _taken(type(scheduler))
    stepped = inspect.signature(type(scheduler).step).parameters.keys()
    read_back = {
        key: value
        for key, value in scheduler_settings(scheduler).items()
        if key in taken or (key in STEP_OPTIONS and key in stepped)
    }
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
    if not SCHEDULERS[spec.name].keeps_variance and variance in LEARNED_VARIANCE:
        raise StageError(f"scheduler={spec.name}: cannot use variance_type={variance!r}")


def _taken(scheduler_class: type[Any]) -> set[str]:
    return set(inspect.signature(scheduler_class.__init__).parameters)


def _trained_by_flow(config: dict[str, Any]) -> bool:
    """Whether the scheduler is for flow matching, whose sigmas do not come from betas."""
    return "beta_schedule" not in config


def _starts_at_infinity(config: dict[str, Any]) -> bool:
    return bool(config.get("beta_schedule") == "squaredcos_cap_v2")
