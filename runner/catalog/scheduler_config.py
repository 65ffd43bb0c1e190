"""The settings of diffusers' schedulers as plain values, and which of them a swap changes.

Nothing here imports diffusers, so that a plan can say what a run will read back.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.catalog.schedulers import OPTIONS

_NOISE = {
    "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
    "trained_betas": None, "prediction_type": "epsilon", "rescale_betas_zero_snr": False,
    "timestep_spacing": "leading", "steps_offset": 0,
}  # fmt: skip
_THRESHOLDING = {
    "thresholding": False, "dynamic_thresholding_ratio": 0.995, "sample_max_value": 1.0,
}  # fmt: skip
_CLIPPING = {"clip_sample": True, "clip_sample_range": 1.0}

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "DDIMScheduler": {**_NOISE, **_CLIPPING, **_THRESHOLDING, "set_alpha_to_one": True},
    "DDPMScheduler": {**_NOISE, **_CLIPPING, **_THRESHOLDING, "variance_type": "fixed_small"},
    "DPMSolverMultistepScheduler": {
        **_NOISE, **_THRESHOLDING, "timestep_spacing": "linspace", "variance_type": None,
        "solver_order": 2, "algorithm_type": "dpmsolver++", "solver_type": "midpoint",
        "lower_order_final": True, "euler_at_final": False, "use_karras_sigmas": False,
        "use_exponential_sigmas": False, "use_beta_sigmas": False, "use_lu_lambdas": False,
        "use_flow_sigmas": False, "flow_shift": 1.0, "final_sigmas_type": "zero",
        "lambda_min_clipped": float("-inf"), "use_dynamic_shifting": False,
        "time_shift_type": "exponential",
    },
    "FlowMatchEulerDiscreteScheduler": {
        "num_train_timesteps": 1000, "shift": 1.0, "use_dynamic_shifting": False,
        "base_shift": 0.5, "max_shift": 1.15, "base_image_seq_len": 256,
        "max_image_seq_len": 4096, "invert_sigmas": False, "shift_terminal": None,
        "use_karras_sigmas": False, "use_exponential_sigmas": False, "use_beta_sigmas": False,
        "time_shift_type": "exponential", "stochastic_sampling": False,
    },
    "LCMScheduler": {
        **_NOISE, **_CLIPPING, **_THRESHOLDING, "beta_start": 0.00085, "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "clip_sample": False, "set_alpha_to_one": True,
        "original_inference_steps": 50, "timestep_scaling": 10.0,
    },
    "UniPCMultistepScheduler": {
        **_NOISE, **_THRESHOLDING, "timestep_spacing": "linspace", "solver_order": 2,
        "predict_x0": True, "solver_type": "bh2", "lower_order_final": True,
        "disable_corrector": [], "solver_p": None, "use_karras_sigmas": False,
        "use_exponential_sigmas": False, "use_beta_sigmas": False, "use_flow_sigmas": False,
        "flow_shift": 1.0, "final_sigmas_type": "zero", "use_dynamic_shifting": False,
        "time_shift_type": "exponential", "sigma_min": None, "sigma_max": None,
        "shift_terminal": None,
    },
}  # fmt: skip
"""Class -> the settings that it takes, with its defaults for what a config file does not list."""

STEP_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "DDIMScheduler": {"eta": 0.0, "use_clipped_model_output": False},
    "FlowMatchEulerDiscreteScheduler": {"schedule": "diffusers"},
}
"""Class -> what is said to its methods and is not in its config, with defaults."""

FLOW: Mapping[str, Mapping[str, Any]] = {
    name: {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
    for name in ("DPMSolverMultistepScheduler", "UniPCMultistepScheduler")
}
"""Class -> what it needs for weights that were trained by flow matching. diffusers' `from_config`
carries neither this over nor the shift, which has another name there."""
SHIFT, FLOW_SHIFT = "shift", "flow_shift"

WITHOUT_EFFECT: Mapping[str, Collection[str]] = {
    "LCMScheduler": ("timestep_spacing", "steps_offset"),
}
"""Class -> settings that it takes and does not look at."""

UNSERVED: Mapping[str, str] = {
    "stochastic_sampling": "it draws noise, and no pipeline of Kandinsky hands it the seed",
    "use_dynamic_shifting": "no pipeline of Kandinsky hands it the shift of a size",
}
"""Setting of schedulers for flow matching that cannot be used -> why."""

MEANS_NOTHING = {
    "clip_sample": False, "thresholding": False, "rescale_betas_zero_snr": False,
    "set_alpha_to_one": True, "variance_type": None,
}  # fmt: skip
"""Setting -> the value with which nothing is lost where a class does not take the setting. Of all
others it is the default of the checkpoint's class."""

COSINE_LAMBDA = -5.1
"""The cosine schedule of Kandinsky 3 begins at next to no signal, where DPM-Solver++ overflows; its
documentation asks for this bound (DPMSolverMultistepScheduler, lambda_min_clipped)."""


@dataclass(frozen=True)
class Change:
    """A setting in which the scheduler that is used differs from the published one.

    Attributes:
        published: None also where the published class has no such setting.
        used: None also where the used class has no such setting, or does not look at it.
    """

    setting: str
    published: Any
    used: Any


def listed_in(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a config file lists.

    Args:
        config: the file's content, or a live scheduler's `config`, which marks what its class
            filled in.
    """
    filled_in = config.get("_use_default_values", ())
    return {k: v for k, v in config.items() if not k.startswith("_") and k not in filled_in}


def filled(class_name: str, listed: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a class that is made from those that a file lists."""
    return {**DEFAULTS.get(class_name, {}), **listed}


def swapped(
    wanted: str,
    takes: Collection[str],
    own: str,
    listed: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """What a scheduler of the class `wanted` is made from: what the file lists and the class takes.

    The class's defaults fill in the rest, as in diffusers' `from_config`.

    Args:
        takes: the settings that the class takes.
        own: the class of the checkpoint's scheduler.
        listed: what its file lists.
        settings: all its settings.
    """
    config = dict(listed)
    if own != wanted:
        # Only DDPM can use the variance half of the UNet's output. A left-over setting would make
        # the pipelines pass both halves on (diffusers, pipeline_kandinsky2_2.py).
        config.pop("variance_type", None)
        if "clip_sample" not in settings:
            # DDIM's default clips to [-1, 1], which a class without the setting does not.
            config["clip_sample"] = False
    if SHIFT in settings and wanted in FLOW:
        config |= {**FLOW[wanted], FLOW_SHIFT: settings[SHIFT]}
    if settings.get("beta_schedule") == "squaredcos_cap_v2":
        config["lambda_min_clipped"] = COSINE_LAMBDA
    return {name: value for name, value in config.items() if name in takes}


def changes(
    own: str, published: Mapping[str, Any], wanted: str, used: Mapping[str, Any]
) -> tuple[Change, ...]:
    """The settings that differ, by name, without what makes no difference.

    Args:
        own: the class of the checkpoint's scheduler; `published`: all its settings.
        wanted: the class that is used; `used`: all its settings.
    """
    if SHIFT in published and FLOW_SHIFT in used:
        # The same setting by another name.
        named = {SHIFT: FLOW_SHIFT}
        published = {named.get(name, name): value for name, value in published.items()}
    idle = WITHOUT_EFFECT.get(wanted, ()) if own != wanted else ()
    kept = {name: value for name, value in used.items() if name not in idle}
    found = [*_differing(own, published, kept), *_added(wanted, published, kept, idle)]
    return tuple(sorted(found, key=lambda change: change.setting))


def _differing(own: str, published: Mapping[str, Any], used: Mapping[str, Any]) -> Iterator[Change]:
    usual = {**DEFAULTS.get(own, {}), **MEANS_NOTHING}
    for name, value in published.items():
        if name in used:
            if used[name] != value:
                yield Change(name, value, used[name])
        elif not _is_idle(name, published, used) and (name not in usual or value != usual[name]):
            yield Change(name, value, None)


def _is_idle(name: str, published: Mapping[str, Any], used: Mapping[str, Any]) -> bool:
    """Whether a setting that is not taken has no effect in the checkpoint either, or only with
    another one that is not taken.
    """
    option = OPTIONS.get(name)
    if option is None:
        return False
    needs, voided_by = option.needs, option.voided_by
    if needs is not None and (not published.get(needs) or needs not in used):
        return True
    return voided_by is not None and bool(published.get(voided_by))


def _added(
    wanted: str, published: Mapping[str, Any], used: Mapping[str, Any], idle: Collection[str]
) -> Iterator[Change]:
    usual = {**DEFAULTS.get(wanted, {}), **STEP_DEFAULTS.get(wanted, {})}
    for name, value in used.items():
        if name not in published and name not in idle and value != usual.get(name):
            yield Change(name, None, value)


def in_words(found: Sequence[Change]) -> str:
    """One line on changes."""
    gone = [f"{c.setting}={_shown(c.published)}" for c in found if c.used is None]
    texts = []
    if gone:
        verb = "is" if len(gone) == 1 else "are"
        texts.append(f"{' and '.join(gone)} of the checkpoint {verb} not taken")
    for change in found:
        if change.used is not None:
            before = "" if change.published is None else f" instead of {_shown(change.published)}"
            texts.append(f"{change.setting}={_shown(change.used)}{before}")
    return "; ".join(texts)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
