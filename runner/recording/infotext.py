"""A picture's settings in the words of stable-diffusion-webui, which viewers of pictures read.

The text entry `parameters` of a PNG, as `modules/infotext_utils.py` there parses it: the prompt,
"Negative prompt: ..." and, on the last line, "Key: value, Key: value".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from runner import __version__
from runner.catalog.schedulers import SCHEDULERS

if TYPE_CHECKING:
    from runner.planning.plan import Plan
    from runner.recording.manifest import SavedImage

PARAMETERS = "parameters"
"""Name of the text entry."""


def infotext(plan: Plan, image: SavedImage) -> str:
    """The text of one picture."""
    prompts = [image.prompt]
    if image.negative_prompt:
        prompts.append(f"Negative prompt: {image.negative_prompt}")
    said = {key: value for key, value in _settings(plan, image).items() if value is not None}
    line = ", ".join(f"{key}: {quote(str(value))}" for key, value in said.items())
    return "\n".join([*prompts, line]).strip()


def quote(value: str) -> str:
    """A value as it stands in the line: in the quotes of JSON where it holds what ends a value."""
    return json.dumps(value, ensure_ascii=False) if {*",:\n"} & {*value} else value


def _settings(plan: Plan, image: SavedImage) -> Mapping[str, object]:
    run, scheduler = plan.run, plan.scheduler
    row = SCHEDULERS.get(scheduler.name)
    options = scheduler.spec.options if scheduler.spec is not None else ()
    prior = run.prior if run.version.has_prior else None
    strength = run.strength if run.task.uses_strength else None
    return {
        "Steps": run.decoder.num_inference_steps,
        "Sampler": row.title if row is not None else scheduler.name,
        "CFG scale": f"{run.decoder.guidance_scale:g}",
        "Seed": image.seed,
        "Size": f"{image.width}x{image.height}",
        "Model": f"Kandinsky {run.version.title}",
        "Denoising strength": None if strength is None else f"{strength:g}",
        "Prior steps": prior and prior.num_inference_steps,
        "Prior CFG scale": prior and f"{prior.guidance_scale:g}",
        "Task": run.task.name,
        **{f"Scheduler {name}".replace("_", " "): value for name, value in options},
        "Version": f"kandinsky-runner {__version__}",
    }
