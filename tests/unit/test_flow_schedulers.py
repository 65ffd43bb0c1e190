"""Schedulers of flow matching end where the flow ends, and what is refused does not.

Of data that are normally distributed, the flow is known: noise z ends at MEAN + SPREAD * z.
"""

from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch

from runner.errors import StageError
from runner.graph.node import SchedulerSpec
from runner.pipelines.scheduler_swap import swap_scheduler

MEAN, SPREAD = 0.7, 0.4
NOISE = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
PUBLISHED = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
FLOW: dict[str, Any] = {
    "prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0,
}  # fmt: skip


def error(scheduler: Any, steps: int) -> float:
    """How far it ends from the flow's end, at most; the time of a step may be a whole number."""
    scheduler.set_timesteps(steps, device="cpu")
    sample = NOISE.clone()
    for time in scheduler.timesteps:
        sigma = time / 1000
        left = 1 - sigma
        slope = (sigma - left * SPREAD**2) / (left**2 * SPREAD**2 + sigma**2)
        velocity = slope * (sample - left * MEAN) - MEAN
        # As the editing pipeline does: the sample is written over.
        sample[:] = scheduler.step(velocity, time, sample, return_dict=False)[0]
    return float((sample - (MEAN + SPREAD * NOISE)).abs().max())


def swapped(name: str, **options: Any) -> Any:
    return swap_scheduler(PUBLISHED, SchedulerSpec(name, tuple(sorted(options.items()))))


@pytest.mark.parametrize(
    ("name", "options", "most"),
    [
        ("flow_euler", {}, 0.05),
        ("flow_euler", {"schedule": "reference"}, 0.05),
        *(
            (name, {"solver_order": order}, most)
            for name in ("flow_dpmpp_2m", "flow_unipc")
            for order, most in ((1, 0.05), (2, 0.02), (3, 0.02))
        ),
        ("flow_unipc", {"flow_shift": 5.0}, 0.02),
    ],
)  # fmt: skip
def test_with_many_steps_it_ends_where_the_flow_ends(
    name: str, options: dict[str, Any], most: float
) -> None:
    assert error(swapped(name, **options), 100) < most
    assert error(swapped(name, **options), 5) > 0.1, "a test that few steps pass tests nothing"


@pytest.mark.parametrize("name", ["flow_dpmpp_2m", "flow_unipc"])
def test_its_steps_are_those_of_the_models_own_code(name: str) -> None:
    scheduler = swapped(name)
    scheduler.set_timesteps(4)
    assert scheduler.sigmas.tolist() == pytest.approx([1, 0.9, 0.75, 0.5, 0], abs=1e-3)
    times = scheduler.timesteps.tolist()
    assert times == pytest.approx([999, 900, 750, 500], abs=1), "diffusers leaves out fractions"


@pytest.mark.parametrize("name", ["flow_dpmpp_2m", "flow_unipc"])
def test_steps_that_lie_close_are_all_taken(name: str) -> None:
    """diffusers takes the second of two steps for the first, where their times are alike."""
    scheduler = swapped(name, flow_shift=100.0)
    error(scheduler, 20)
    assert scheduler.step_index == 20
    kind = type(scheduler)
    with pytest.raises((IndexError, AssertionError)):
        error(kind(**FLOW | {"flow_shift": 100.0}), 20)


def heun(steps: int) -> int:
    made = diffusers.FlowMatchHeunDiscreteScheduler(shift=3.0)
    made.set_timesteps(steps)
    return len(made.timesteps)


def deis(steps: int) -> list[float]:
    made = diffusers.DEISMultistepScheduler(**FLOW)
    made.set_timesteps(steps)
    found: list[float] = made.sigmas.tolist()
    return found


def test_why_others_are_not_offered() -> None:
    for kind in (diffusers.UniPCMultistepScheduler, diffusers.DPMSolverMultistepScheduler):
        assert error(kind.from_config(PUBLISHED.config), 100) > 1, "it takes velocity for noise"
    sigmas = deis(50)
    assert sigmas[-1] == sigmas[-2] > 0.05, (
        "DEIS changes nothing in its last step, and leaves noise"
    )
    assert heun(50) == 99, "Heun asks the model twice a step"


@pytest.mark.parametrize("name", ["stochastic_sampling", "use_dynamic_shifting"])
def test_what_no_pipeline_can_serve_is_refused(name: str) -> None:
    """A generator, without which seeds mean nothing, and a shift for each size."""
    own = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, **{name: True})
    with pytest.raises(StageError, match=f"{name} of the checkpoint cannot be used"):
        swap_scheduler(own, SchedulerSpec("flow_euler"))
