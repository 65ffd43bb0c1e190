"""Noise schedulers that give right results with the decoders: a row each.

What a swap makes of a checkpoint's config is in `runner.catalog.scheduler_config`, settings that no
scheduler may change, as weights were trained with them, in `runner.pipelines.scheduler_swap`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """An option of schedulers, a key below `scheduler`; null keeps the checkpoint's value.

    Attributes:
        kind: bool, int, float or str.
        explanation: what it decides, for display.
        least, most: smallest and largest allowed value; None: no limit.
        choices: for a str, the allowed values: the config's word -> diffusers' value.
        needs: the option that must be true for this one to have an effect.
        voided_by: the option that, while true, leaves this one without effect.
        in_step: whether it is an argument of the scheduler's `step`, which no pipeline passes on;
            all others but the next belong to its config.
    """

    name: str
    kind: type[bool | int | float | str]
    explanation: str
    least: float | None = None
    most: float | None = None
    choices: Mapping[str, str] | None = None
    needs: str | None = None
    voided_by: str | None = None
    in_step: bool = False

    @property
    def takes(self) -> str:
        """The allowed values, in words; "" where all values of its kind are allowed."""
        if self.choices is not None:
            return ", ".join(self.choices)
        if self.least is None or self.most is None:
            return ""
        number = "a whole number" if self.kind is int else "a number"
        return f"{number}, {self.least:g} to {self.most:.10g}"

    def in_diffusers(self, value: bool | int | float | str) -> bool | int | float | str:
        """diffusers' value for a value of the config."""
        return self.choices[str(value)] if self.choices is not None else value


@dataclass(frozen=True)
class OwnSchedule:
    """A schedule of fixed length from which the steps are taken: its length is their maximum.

    Attributes:
        owner: the schedule's owner, for messages.
        option: the option that sets its length.
        length: its length where that option is null.
        usual: a usual number of steps, for messages.
    """

    owner: str
    option: str
    length: int
    usual: int


@dataclass(frozen=True)
class Scheduler:
    """A scheduler.

    Attributes:
        name: its name in the config.
        diffusers: the name of its class; None: the checkpoint's own scheduler, unchanged.
        options: the options that it takes; all others must be null.
        schedule: a schedule that limits the steps; None: limited by the noise levels alone.
        keeps_variance: it draws noise with the variance that the denoiser has learned. No other
            scheduler can use that half of the denoiser's output.
        flow: for weights trained by flow matching; False: on noise levels given by betas.
        multistep: for flow matching: it goes on from earlier steps.
        title: its name in tools for pictures, such as stable-diffusion-webui.
    """

    name: str
    diffusers: str | None
    options: tuple[Option, ...] = ()
    schedule: OwnSchedule | None = None
    keeps_variance: bool = False
    flow: bool = False
    multistep: bool = False
    title: str = ""

    @property
    def option_names(self) -> tuple[str, ...]:
        """The keys below `scheduler` that it takes."""
        return tuple(option.name for option in self.options)


def _words(*names: str) -> Mapping[str, str]:
    return {name: name for name in names}


SPACING = Option(
    "timestep_spacing",
    str,
    "How the steps are spread over the noise levels (https://huggingface.co/papers/2305.08891).",
    choices=_words("leading", "trailing", "linspace"),
)
ETA = Option(
    "eta",
    float,
    "Noise added at each step. 0: none, the same seed and prompt always take the same path; "
    "1: as much as DDPM.",
    0,
    1,
    in_step=True,
)
FROM_CLIPPED = Option(
    "use_clipped_model_output",
    bool,
    "Go on from the predicted image as it was clipped or thresholded, and not from the noise that "
    "was predicted with it. As Kandinsky 2.0 was released, with `thresholding`.",
    in_step=True,
)
TO_ONE = Option(
    "set_alpha_to_one",
    bool,
    "`true`: the last step ends without noise. `false`: at the lowest noise level of the training.",
)
# Not fixed_large_log: diffusers uses the logarithm of the variance as the variance.
VARIANCE = Option(
    "variance_type",
    str,
    "Where DDPM takes the variance of its noise from. `learned_range`: from the model's own "
    "prediction, which Kandinsky 3 does not make.",
    choices=_words("fixed_small", "fixed_small_log", "fixed_large", "learned_range"),
)
ALGORITHM = Option(
    "algorithm_type",
    str,
    "`deterministic`: DPM-Solver++. `sde`: with noise added at each step.",
    choices={"deterministic": "dpmsolver++", "sde": "sde-dpmsolver++"},
)
ORDER = Option("solver_order", int, "Order of the solver.", 1, 3)
KARRAS = Option(
    "use_karras_sigmas",
    bool,
    "Spread the noise levels as Karras et al. do (https://huggingface.co/papers/2206.00364). "
    "Not for Kandinsky 3.",
)
SCHEDULE = Option(
    "schedule",
    str,
    "The steps of flow matching. `diffusers`: as its class spreads them, shifted twice, so that "
    "the last step changes next to nothing. `reference`: as the models' own code does, from 1 to "
    "1/steps, shifted once; another picture where there are few steps. null: `diffusers`.",
    choices=_words("diffusers", "reference"),
)
SHIFT = Option(
    "shift",
    float,
    "How much longer flow matching stays at high noise. null: as published.",
    0.01,
    100,
)
FLOW_SHIFT = Option("flow_shift", float, "The same as `shift`.", 0.01, 100)
LCM_LENGTH = Option(
    "original_inference_steps",
    int,
    "Steps of the schedule that LCM takes its steps from; `decoder.num_inference_steps` may not "
    "be larger. null: 50.",
    1,
    1000,
)
CLIPPING = (
    Option(
        "clip_sample",
        bool,
        "Clip the predicted image to `clip_sample_range`. Not together with `thresholding`.",
        voided_by="thresholding",
    ),
    Option(
        "clip_sample_range",
        float,
        "Largest absolute value of the predicted image. Needs `clip_sample=true`.",
        0.01,
        100,
        needs="clip_sample",
    ),
)
THRESHOLDING = (
    Option(
        "thresholding",
        bool,
        "Dynamic thresholding of the predicted image (https://huggingface.co/papers/2205.11487).",
    ),
    Option(
        "dynamic_thresholding_ratio",
        float,
        "Share of the values that lie below the threshold. Needs `thresholding=true`.",
        0,
        1,
        needs="thresholding",
    ),
    Option(
        "sample_max_value",
        float,
        "Largest threshold. Needs `thresholding=true`.",
        1,
        1_000_000_000,
        needs="thresholding",
    ),
)

ROWS = (
    Scheduler("checkpoint", None),
    Scheduler(
        "ddim",
        "DDIMScheduler",
        (SPACING, ETA, FROM_CLIPPED, TO_ONE, *CLIPPING, *THRESHOLDING),
        title="DDIM",
    ),
    Scheduler(
        "ddpm",
        "DDPMScheduler",
        (SPACING, VARIANCE, *CLIPPING, *THRESHOLDING),
        keeps_variance=True,
        title="DDPM",
    ),
    Scheduler(
        "dpmpp_2m",
        "DPMSolverMultistepScheduler",
        (SPACING, ALGORITHM, ORDER, KARRAS, *THRESHOLDING),
        title="DPM++ 2M",
    ),
    # Its timesteps are fixed by distillation: it takes no spacing.
    Scheduler(
        "lcm",
        "LCMScheduler",
        (LCM_LENGTH, *CLIPPING, *THRESHOLDING),
        schedule=OwnSchedule("LCM", LCM_LENGTH.name, 50, 4),
        title="LCM",
    ),
    Scheduler(
        "flow_euler",
        "FlowMatchEulerDiscreteScheduler",
        (SCHEDULE, SHIFT),
        flow=True,
        title="Euler (flow matching)",
    ),
    # Without `algorithm_type`: the pipelines of Kandinsky 5 hand no generator to a step. Without
    # `schedule`: both spread their steps as its `reference` does, to within 0.001.
    Scheduler(
        "flow_dpmpp_2m",
        "DPMSolverMultistepScheduler",
        (ORDER, FLOW_SHIFT),
        flow=True,
        multistep=True,
        title="DPM++ 2M (flow matching)",
    ),
    Scheduler(
        "flow_unipc",
        "UniPCMultistepScheduler",
        (ORDER, FLOW_SHIFT),
        flow=True,
        multistep=True,
        title="UniPC (flow matching)",
    ),
)

SCHEDULERS: Mapping[str, Scheduler] = {row.name: row for row in ROWS}
"""Schedulers by name, in display order."""

CHECKPOINT = ROWS[0]
"""What the checkpoint publishes, which fits every version."""

NAMED: Mapping[str, Scheduler] = {row.name: row for row in ROWS if row.diffusers is not None}
"""Those that replace it, by name."""

FITTING: Mapping[bool, tuple[str, ...]] = {
    flow: tuple(row.name for row in ROWS if row is CHECKPOINT or row.flow is flow)
    for flow in (False, True)
}
"""Whether weights were trained by flow matching -> names of the schedulers for them."""

RECORDED = (
    SPACING, ETA, VARIANCE, ALGORITHM, ORDER, KARRAS, LCM_LENGTH, *CLIPPING, *THRESHOLDING,
)  # fmt: skip
"""Options that every record of a config lists, null where the scheduler does not take them: records
and fingerprints have always had them. A newer option is recorded only where it is set, so that
other records do not change.
"""

OPTIONS: Mapping[str, Option] = {
    option.name: option
    for option in (*RECORDED, *(option for row in ROWS for option in row.options))
}
"""All options by name, in the order of a config's list."""
