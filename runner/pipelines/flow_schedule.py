"""Schedulers of flow matching: steps as the models' own code takes them, and steps that go on from
earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

SCHEDULE, REFERENCE, DIFFUSERS = "schedule", "reference", "diffusers"


class ReferenceSchedule:
    """In place of a FlowMatchEulerDiscreteScheduler's `set_timesteps`: sigmas from 1 to 1/steps.

    Told nothing, the class spreads its steps between two numbers that are shifted already, and
    shifts them once more; its last step begins at next to no noise.
    (scheduling_flow_match_euler_discrete.py; kandinsky5/generation_utils.py of the models' code.)
    """

    def __init__(self, set_timesteps: Callable[..., None]) -> None:
        self._set_timesteps = set_timesteps

    def __call__(self, num_inference_steps: int, device: Any = None) -> None:
        """As the method."""
        sigmas = np.linspace(1.0, 1 / num_inference_steps, num_inference_steps)
        self._set_timesteps(device=device, sigmas=sigmas.tolist())


def schedule_of(scheduler: Any) -> dict[str, str]:
    """The schedule of a live scheduler, by the name of its option; {}: it has no choice of them."""
    if type(scheduler).__name__ != "FlowMatchEulerDiscreteScheduler":
        return {}
    is_reference = isinstance(scheduler.set_timesteps, ReferenceSchedule)
    return {SCHEDULE: REFERENCE if is_reference else DIFFUSERS}


def set_schedule(scheduler: Any, schedule: object) -> None:
    """Give a new scheduler the schedule of this name."""
    if schedule == REFERENCE:
        scheduler.set_timesteps = ReferenceSchedule(scheduler.set_timesteps)


class FromTheFirst:
    """In place of a multistep scheduler's `set_timesteps`: the first step is the first of them.

    The class looks for the step by its time, which is a whole number, and takes the second of two
    alike: with many steps, or a large shift, it would leave out one and end in an error.
    (scheduling_dpmsolver_multistep.py, index_for_timestep.)
    """

    def __init__(self, scheduler: Any) -> None:
        self._set_timesteps = scheduler.set_timesteps
        self._set_begin_index = scheduler.set_begin_index

    def __call__(self, *given: Any, **named: Any) -> None:
        """As the method."""
        self._set_timesteps(*given, **named)
        self._set_begin_index(0)


class StepOnACopy:
    """In place of a multistep scheduler's `step`: what it keeps of a sample stays as it was.

    The pipeline for editing writes the next sample over the one that it hands to the step, and
    UniPC corrects each step by the sample before. (pipeline_kandinsky_i2i.py, denoising loop.)
    """

    def __init__(self, step: Callable[..., Any]) -> None:
        self._step = step

    def __call__(self, output: Any, timestep: Any, sample: Any, **named: Any) -> Any:
        """As the method."""
        return self._step(output, timestep, sample.clone(), **named)


def mend_multistep(scheduler: Any) -> None:
    """Have a new multistep scheduler take every step, and from samples of its own."""
    scheduler.set_timesteps = FromTheFirst(scheduler)
    scheduler.step = StepOnACopy(scheduler.step)
