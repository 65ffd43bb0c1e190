"""A careful hand-written script for the sweep of `gpu.py`: pipelines loaded once, each prior once.

python benchmarks/gpu_loop.py <weights> <folder for the pictures> <cells> large|small eager|compiled
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, DDPMScheduler, KandinskyV22Pipeline, KandinskyV22PriorPipeline
from gpu_setting import CELLS, SEEDS, SETTINGS


def main() -> None:
    """Make the pictures of the cells."""
    weights, out, cells, size, how = sys.argv[1:]
    setting, folder = SETTINGS[size], Path(out)
    folder.mkdir(exist_ok=True)
    dtype = getattr(torch, setting.dtype)
    prior = KandinskyV22PriorPipeline.from_pretrained(f"{weights}/kandinsky-2-2-prior", dtype=dtype)
    decoder = KandinskyV22Pipeline.from_pretrained(f"{weights}/kandinsky-2-2-decoder", dtype=dtype)
    for pipeline in (prior, decoder):
        pipeline.to(setting.device)
        pipeline.set_progress_bar_config(disable=True)
    if how == "compiled":
        prior.prior.compile()
        decoder.unet.compile()
    config = decoder.scheduler.config
    schedulers = {
        "ddim": DDIMScheduler.from_config(config),
        "ddpm": DDPMScheduler.from_config(config),
    }
    told: dict[tuple[str, int], Any] = {}
    for number in map(int, cells.split(",")):
        scheduler, scale, prompt = CELLS[number]
        decoder.register_modules(scheduler=schedulers[scheduler])
        for seed in SEEDS:
            if (prompt, seed) not in told:
                told[prompt, seed] = prior(
                    prompt,
                    generator=torch.Generator().manual_seed(seed),
                    num_inference_steps=setting.prior_steps,
                )
            embeds = told[prompt, seed]
            image = decoder(
                image_embeds=embeds.image_embeds,
                negative_image_embeds=embeds.negative_image_embeds,
                generator=torch.Generator().manual_seed(seed),
                height=setting.size,
                width=setting.size,
                num_inference_steps=setting.steps,
                guidance_scale=scale,
            ).images[0]
            image.save(folder / f"{number:04d}-{seed}.png")


if __name__ == "__main__":
    main()
