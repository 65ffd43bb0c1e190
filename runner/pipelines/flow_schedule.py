"""The steps of flow matching as the models' own code takes them."""

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
