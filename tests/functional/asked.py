"""The settings, seeds and input pictures for both the runner and direct calls of diffusers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image

PROMPT, NEGATIVE = "a red circle on blue", "low quality"
SEED, STEPS, STRENGTH = 7, 3, 0.7
PRIOR_STRENGTH, NEGATIVE_STRENGTH = 0.7, 1.0
WEIGHTS = (0.3, 0.7)

PRIORS = {
    "2_1": ("KandinskyPriorPipeline", "kandinsky-2-1-prior"),
    "2_2": ("KandinskyV22PriorPipeline", "kandinsky-2-2-prior"),
}
DEPTH = "kandinsky-2-2-controlnet-depth"
DECODERS = {
    ("2_0", "text2img"): ("KandinskyV20Pipeline", "kandinsky-2-0"),
    ("2_0", "img2img"): ("KandinskyV20Img2ImgPipeline", "kandinsky-2-0"),
    ("2_0", "inpaint"): ("KandinskyV20InpaintPipeline", "kandinsky-2-0-inpaint"),
    ("2_1", "text2img"): ("KandinskyPipeline", "kandinsky-2-1"),
    ("2_1", "interpolate"): ("KandinskyPipeline", "kandinsky-2-1"),
    ("2_1", "img2img"): ("KandinskyImg2ImgPipeline", "kandinsky-2-1"),
    ("2_1", "inpaint"): ("KandinskyInpaintPipeline", "kandinsky-2-1-inpaint"),
    ("2_2", "text2img"): ("KandinskyV22Pipeline", "kandinsky-2-2-decoder"),
    ("2_2", "interpolate"): ("KandinskyV22Pipeline", "kandinsky-2-2-decoder"),
    ("2_2", "img2img"): ("KandinskyV22Img2ImgPipeline", "kandinsky-2-2-decoder"),
    ("2_2", "inpaint"): ("KandinskyV22InpaintPipeline", "kandinsky-2-2-decoder-inpaint"),
    ("2_2", "controlnet"): ("KandinskyV22ControlnetPipeline", DEPTH),
    ("2_2", "controlnet_img2img"): ("KandinskyV22ControlnetImg2ImgPipeline", DEPTH),
    ("3", "text2img"): ("Kandinsky3Pipeline", "kandinsky-3"),
    ("3", "img2img"): ("Kandinsky3Img2ImgPipeline", "kandinsky-3"),
}
SCHEDULERS = {
    "ddim": diffusers.DDIMScheduler,
    "ddpm": diffusers.DDPMScheduler,
    "dpmpp_2m": diffusers.DPMSolverMultistepScheduler,
    "lcm": diffusers.LCMScheduler,
}
INPUTS = {
    "edit": ("image",),
    "img2img": ("image",),
    "inpaint": ("image", "mask"),
    "controlnet": ("hint",),
    "controlnet_img2img": ("image", "hint"),
}

Pixels = np.ndarray[Any, np.dtype[np.int16]]
Pictures = dict[str, Path]


@dataclass(frozen=True)
class Ask:
    """What is drawn, in words that both the runner and a direct call understand."""

    version: str
    task: str
    height: int = 64
    width: int = 128
    prompt: str = PROMPT
    negative: str | None = None
    guidance: float = 4.0
    scheduler: str = "checkpoint"
    seeding: str = "per_stage"

    def overrides(self, pictures: Pictures) -> list[str]:
        """For the command line; a later override of the same key wins."""
        scale, image = self.guidance, pictures["image"]
        mixed = f"[{{text:{PROMPT},weight:{WEIGHTS[0]}}},{{image:'{image}',weight:{WEIGHTS[1]}}}]"
        return [
            f"model=kandinsky{self.version}", f"task={self.task}", f"scheduler={self.scheduler}",
            f"seeding={self.seeding}", f"seeds=[{SEED}]", f"prompt={json.dumps(self.prompt)}",
            f"negative_prompt={json.dumps(self.negative)}", f"height={self.height}",
            f"width={self.width}", f"prior.guidance_scale={scale}",
            f"decoder.guidance_scale={scale}", f"strength={STRENGTH}",
            f"prior.strength={PRIOR_STRENGTH}", f"prior.negative_strength={NEGATIVE_STRENGTH}",
            *(f"inputs.{name}={pictures[name]}" for name in INPUTS.get(self.task, ())),
            *(["any_size=true"] if self.version == "5" else []),
            *([f"interpolate.items={mixed}"] if self.task == "interpolate" else []),
        ]  # fmt: skip


def generators(seeding: str = "per_stage") -> Iterator[torch.Generator]:
    """One for each stage in turn."""
    one = generator()
    while True:
        yield one if seeding == "shared" else generator()


def generator() -> torch.Generator:
    """One from the seed."""
    return torch.Generator().manual_seed(SEED)


def pixels(image: Image.Image) -> Pixels:
    """Levels that can be subtracted."""
    return np.asarray(image, dtype=np.int16)


def opened(path: Path, mode: str = "RGB") -> Image.Image:
    """A picture."""
    with Image.open(path) as image:
        return image.convert(mode)


def hint_tensor(path: Path) -> torch.Tensor:
    """1 x 3 x H x W in [0, 1], as the depth pipelines take it."""
    return torch.from_numpy(np.asarray(opened(path), np.float32) / 255).permute(2, 0, 1)[None]
