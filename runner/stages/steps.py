"""diffusers' step callback -> the engine's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runner.values import OnStep

StepCallback = Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]


def report_steps(on_step: OnStep, steps: int) -> StepCallback:
    """For `callback_on_step_end`, which must return a dict."""

    def callback(pipeline: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        on_step(step + 1, steps)
        return values

    return callback
