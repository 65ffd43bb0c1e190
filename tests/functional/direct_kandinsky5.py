"""Direct calls of diffusers for Kandinsky 5, written independently of the runner's stages.

Corrected are the sizes alone, by an attribute of the instance; all else is how it is called.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import torch
from transformers import Qwen2Tokenizer

from functional.asked import STEPS, Ask, Pixels, generator, pixels
from runner.kandinsky5.processor import PicturesAndText

KINDS = {"text2img": "T2I", "edit": "I2I"}
T2I = "Kandinsky-5.0-T2I-Lite-sft-Diffusers"
I2I = "Kandinsky-5.0-I2I-Lite-sft-Diffusers"
FLOW: dict[str, Any] = {
    "prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0,
}  # fmt: skip
"""What multistep schedulers need with this checkpoint, whose shift is 3."""


class CopyingUniPC(diffusers.UniPCMultistepScheduler):  # type: ignore[misc]
    """It corrects a step by the sample before, which editing writes the next one over."""

    def step(self, output: Any, timestep: Any, sample: Any, **named: Any) -> Any:
        return super().step(output, timestep, torch.clone(sample), **named)


MULTISTEP = {
    "flow_dpmpp_2m": diffusers.DPMSolverMultistepScheduler,
    "flow_unipc": diffusers.UniPCMultistepScheduler,
    "copying_unipc": CopyingUniPC,
}


@cache
def loaded(weights: Path, dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    """The parts as published. A text needs no processor of pictures, which wants torchvision."""
    folder = weights / T2I
    found = diffusers.Kandinsky5T2IPipeline.from_pretrained(
        folder, tokenizer=None, dtype=dtype, local_files_only=True, use_safetensors=True
    )
    tokenizer = Qwen2Tokenizer.from_pretrained(folder / "tokenizer")
    return {**found.components, "tokenizer": tokenizer}


def pipeline(
    weights: Path, scheduler: str = "checkpoint", dtype: torch.dtype = torch.float32
) -> Any:
    """A new pipeline object with a scheduler of its own."""
    parts = loaded(weights, dtype)
    made = scheduled(scheduler, parts["scheduler"])
    found = diffusers.Kandinsky5T2IPipeline(**{**parts, "scheduler": made})
    found.set_progress_bar_config(disable=True)
    return found


def scheduled(scheduler: str, own: Any) -> Any:
    """A new scheduler. `own`: that of the checkpoint."""
    if scheduler in MULTISTEP:
        return MULTISTEP[scheduler](**FLOW)
    made = type(own).from_config(own.config)
    if scheduler == "reference":
        set_timesteps = made.set_timesteps
        made.set_timesteps = lambda n, device: set_timesteps(
            device=device, sigmas=[1 - k * (1 - 1 / n) / (n - 1) for k in range(n)]
        )
    return made


def draw(ask: Ask, pipe: Any, **changed: Any) -> Pixels:
    """The picture."""
    pipe.resolutions = [(ask.width, ask.height)]
    return pixels(called(ask, pipe, **changed).image[0])


def called(ask: Ask, pipe: Any, **changed: Any) -> Any:
    """What the call returns, with diffusers' own choice of the size."""
    given = {
        "prompt": ask.prompt, "negative_prompt": ask.negative, "height": ask.height,
        "width": ask.width, "num_inference_steps": STEPS, "guidance_scale": ask.guidance,
        "generator": generator(),
    }  # fmt: skip
    return pipe(**{**given, **changed})


def encoded(pipe: Any, *texts: Any, **given: Any) -> Any:
    """What its `encode_prompt` returns."""
    with torch.inference_mode():
        return pipe.encode_prompt(*texts, **given)


PUBLISHED_EDIT = (
    "<|im_start|>system\nYou are a promt engineer. Based on the provided source image (first "
    "image) and target image (second image), create an interesting text prompt that can be used "
    "together with the source image to create the target image:<|im_end|>\n<|im_start|>user\n{}"
    "<|vision_start|><|image_pad|><|vision_end|><|im_end|>"
)
"""Of the models' own code (kandinsky5/models/text_embedders.py), with 55 tokens cut off."""


@cache
def loaded_editor(weights: Path, dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    """The parts of the editing pipeline."""
    folder = weights / I2I
    found = diffusers.Kandinsky5I2IPipeline.from_pretrained(
        folder, tokenizer=None, dtype=dtype, local_files_only=True, use_safetensors=True
    )
    return {**found.components, "tokenizer": PicturesAndText.of_folder(folder / "tokenizer")}


def editor(
    weights: Path,
    template: str | None = PUBLISHED_EDIT,
    before: int = 55,
    scheduler: str = "checkpoint",
    dtype: torch.dtype = torch.float32,
    parts: dict[str, Any] | None = None,
) -> Any:
    """A new pipeline object. `template`: None for that of diffusers; `parts`: for those of the
    weights.
    """
    parts = parts or loaded_editor(weights, dtype)
    own = scheduled(scheduler, parts["scheduler"])
    made = diffusers.Kandinsky5I2IPipeline(**{**parts, "scheduler": own})
    made.set_progress_bar_config(disable=True)
    made.prompt_template = template or made.prompt_template
    made.prompt_template_encode_start_idx = before
    return made


def published(weights: Path, task: str, variant: str) -> Any:
    """A new pipeline object of any of the four repositories."""
    folder = weights / f"Kandinsky-5.0-{KINDS[task]}-Lite-{variant}-Diffusers"
    kind = getattr(diffusers, f"Kandinsky5{KINDS[task]}Pipeline")
    made = kind.from_pretrained(
        folder, tokenizer=PicturesAndText.of_folder(folder / "tokenizer"), dtype=torch.float32,
        local_files_only=True, use_safetensors=True,
    )  # fmt: skip
    made.set_progress_bar_config(disable=True)
    if task == "edit":
        made.prompt_template, made.prompt_template_encode_start_idx = PUBLISHED_EDIT, 55
    return made
