"""Values for each option of the schedulers, for all tests that go through them: a new option is a
row in `VALUES`, and a new scheduler a row in `CHANGES`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runner.catalog.schedulers import NAMED, OPTIONS, SCHEDULERS, Scheduler
from runner.config.groups import SchedulerConfig

VALUES: dict[str, list[Any]] = {
    "timestep_spacing": ["leading", "trailing", "linspace"],
    "eta": [0.0, 0.5, 1.0],
    "use_clipped_model_output": [True, False],
    "set_alpha_to_one": [True, False],
    "variance_type": ["fixed_small", "fixed_small_log", "fixed_large", "learned_range"],
    "algorithm_type": ["deterministic", "sde"],
    "solver_order": [1, 2, 3],
    "use_karras_sigmas": [True, False],
    "original_inference_steps": [60, 100],
    "clip_sample": [True, False],
    "clip_sample_range": [1.0, 2.5],
    "thresholding": [True, False],
    "dynamic_thresholding_ratio": [0.5, 0.9],
    "sample_max_value": [1.5, 2.0],
    "schedule": ["diffusers", "reference"],
    "shift": [2.0, 5.0],
    "flow_shift": [2.0, 5.0],
}
"""Some right ones, as the config names them; the first takes effect with every checkpoint."""

FOR_NOISE = {name: row for name, row in NAMED.items() if not row.flow}
"""Those that replace the scheduler of weights that were trained on noise levels."""

Options = dict[str, Any]
"""Values by option."""


def beside(option: str) -> Options:
    """What an option means nothing without."""
    needs = OPTIONS[option].needs
    return {needs: True} if needs is not None else {}


def taker(option: str) -> Scheduler:
    """A scheduler that takes an option."""
    return next(row for row in SCHEDULERS.values() if option in row.option_names)


def used_by(scheduler: Scheduler) -> tuple[str, ...]:
    """A scheduler, with a model that it fits where the default does not."""
    model = ("model=kandinsky5", "weights=hub") if scheduler.flow else ()
    return (f"scheduler={scheduler.name}", *model)


def written(options: Options) -> list[str]:
    """Options as overrides."""
    return [f"scheduler.{option}={value}" for option, value in options.items()]


def section(name: str, **options: Any) -> SchedulerConfig:
    """The config's section."""
    return replace(SchedulerConfig(name), **options)


def in_diffusers(options: Options) -> Options:
    """Options with values as diffusers names them."""
    return {name: OPTIONS[name].in_diffusers(value) for name, value in options.items()}


def _steps(*chain: Options) -> list[tuple[Options, Options]]:
    """Each with the one before it, which it is to be compared with."""
    found, before = [], dict[str, Any]()
    for options in chain:
        found.append((before, before | options))
        before = before | options
    return found


def _each(option: str, *values: object) -> list[tuple[Options, Options]]:
    return [({}, {option: value}) for value in values]


_SPACING = _each("timestep_spacing", *VALUES["timestep_spacing"])
_THRESHOLDING = [
    *_steps({"thresholding": False}),
    # Up to 1, as is the default, it is the clipping to [-1, 1] that some checkpoints publish.
    *_steps({"thresholding": True, "sample_max_value": 1.5}, {"dynamic_thresholding_ratio": 0.01}),
    ({"thresholding": True}, {"thresholding": True, "sample_max_value": 1.5}),
]
_CLIPPING = [
    *_steps({"thresholding": False}, {"clip_sample": False}),
    *_steps({"thresholding": False}, {"clip_sample": True}, {"clip_sample_range": 0.5}),
]

CHANGES: dict[str, list[tuple[Options, Options]]] = {
    "ddim": [
        *_SPACING, *_each("eta", 0.0, 1.0), *_CLIPPING, *_THRESHOLDING,
        *_each("set_alpha_to_one", True, False),
        ({"thresholding": True}, {"thresholding": True, "use_clipped_model_output": True}),
    ],
    "ddpm": [
        *_SPACING, *_each("variance_type", "fixed_small", "fixed_large", "learned_range"),
        *_CLIPPING, *_THRESHOLDING,
    ],
    "dpmpp_2m": [
        *_SPACING, *_each("algorithm_type", *VALUES["algorithm_type"]),
        *_each("solver_order", 1, 2, 3), *_each("use_karras_sigmas", False, True),
        ({"solver_order": 3}, {"solver_order": 3, "algorithm_type": "sde"}), *_THRESHOLDING,
    ],
    "lcm": [*_each("original_inference_steps", 20, 50), *_CLIPPING, *_THRESHOLDING],
    "flow_euler": [*_each("schedule", "reference"), *_each("shift", 1.0, 5.0)],
    "flow_dpmpp_2m": [*_each("solver_order", 1, 3), *_each("flow_shift", 1.0, 5.0)],
    "flow_unipc": [*_each("solver_order", 1, 3), *_each("flow_shift", 1.0, 5.0)],
}  # fmt: skip
"""By scheduler (before, after): options that differ in the last one of `after`. With few steps."""

UNFIT = {
    # diffusers takes the logarithm of the variance for the variance, and makes NaN of it.
    "ddpm": {"variance_type": "fixed_large_log"},
    # LCMScheduler.set_timesteps does not look at the spacing.
    "lcm": {"timestep_spacing": "trailing"},
}
"""What a scheduler's class takes, and the runner refuses with every version."""
