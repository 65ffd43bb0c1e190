"""The samplings of the original Kandinsky 2.0 as configs of diffusers' schedulers.

Source: github.com/ai-forever/Kandinsky-2. Its code of November 2022 (140d16d), for which 2.0 was
published, and its last code (aeefc1c) sample differently with DDIM, and alike with its `p_sampler`.

The original divides by the threshold of the first picture of a batch; diffusers by each picture's
own, so that a picture does not depend on the others of its batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOISE_LEVELS: Mapping[str, Any] = {
    "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
    "prediction_type": "epsilon",
}  # fmt: skip
"""What the model was trained with: of any scheduler."""
_LEADING = {"timestep_spacing": "leading", "steps_offset": 1, "clip_sample": False}
_DYNAMIC = {
    # The original's threshold has no upper bound; diffusers' default of 1 would make it a clip.
    "thresholding": True, "dynamic_thresholding_ratio": 0.995, "sample_max_value": 1e9,
}  # fmt: skip

DDIM: Mapping[str, Any] = {**NOISE_LEVELS, **_LEADING, "set_alpha_to_one": False}
"""`DDIMScheduler` as `ddim_sampler` of the last code: no thresholding, no noise (eta 0)."""

RELEASE_DDIM: Mapping[str, Any] = {**NOISE_LEVELS, **_LEADING, **_DYNAMIC, "set_alpha_to_one": True}
"""`DDIMScheduler` as `ddim_sampler` of November 2022, with the arguments `RELEASE_DDIM_STEP`."""

RELEASE_DDIM_STEP: Mapping[str, Any] = {"eta": 0.05, "use_clipped_model_output": True}
"""Arguments of the pipelines, and of the scheduler's `step`."""

DDPM: Mapping[str, Any] = {
    **NOISE_LEVELS, **_DYNAMIC, "variance_type": "learned_range", "timestep_spacing": "linspace",
    "clip_sample": False,
}  # fmt: skip
"""`DDPMScheduler` as `p_sampler` of both: with the variance that the UNet predicts."""


def ddim_timesteps(num_inference_steps: int, num_train_timesteps: int = 1000) -> list[int]:
    """The time steps of the original's DDIM, in the order in which they run.

    Where the number of steps does not divide that of the training, the original runs more steps
    than asked (75: 77, from 989) and diffusers the number that was asked (75, from 963). With these
    as the pipelines' `timesteps` both give the same.

    Raises:
        ValueError: the original has no such schedule: more steps than half of the training's, or
            one that would begin after its end.
    """
    stride = max(num_train_timesteps // max(num_inference_steps, 1), 1)
    steps = [step + 1 for step in reversed(range(0, num_train_timesteps, stride))]
    if num_inference_steps < 1 or steps[0] >= num_train_timesteps:
        raise ValueError(
            f"the original has no schedule of `num_inference_steps`={num_inference_steps}."
        )
    return steps
