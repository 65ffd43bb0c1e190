"""A careful hand-written script for a sweep: pipelines loaded once, each prior run once.

python benchmarks/sweep_script.py <weights> <folder for the pictures> <numbers of cells>
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, DDPMScheduler, KandinskyV22Pipeline, KandinskyV22PriorPipeline
from sweep import CELLS, SEEDS


def main() -> None:
    """Make the pictures of the cells."""
    weights, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(exist_ok=True)
    prior = KandinskyV22PriorPipeline.from_pretrained(
        weights / "kandinsky-2-2-prior", dtype=torch.float32
    )
    decoder = KandinskyV22Pipeline.from_pretrained(
        weights / "kandinsky-2-2-decoder", dtype=torch.float32
    )
    for pipeline in (prior, decoder):
        pipeline.set_progress_bar_config(disable=True)
    config = dict(decoder.scheduler.config)
    without_variance = {k: v for k, v in config.items() if k != "variance_type"}
    schedulers = {
        "ddim": DDIMScheduler.from_config({**without_variance, "clip_sample": False}),
        "ddpm": DDPMScheduler.from_config(config),
    }
    told: dict[tuple[str, int], Any] = {}
    for number in map(int, sys.argv[3].split(",")):
        scheduler, steps, scale, prompt = CELLS[number]
        decoder.register_modules(scheduler=schedulers[scheduler])
        for seed in SEEDS:
            if (prompt, seed) not in told:
                told[prompt, seed] = prior(
                    prompt, generator=torch.Generator().manual_seed(seed), num_inference_steps=25
                )
            embeds = told[prompt, seed]
            image = decoder(
                image_embeds=embeds.image_embeds,
                negative_image_embeds=embeds.negative_image_embeds,
                generator=torch.Generator().manual_seed(seed),
                height=128,
                width=128,
                num_inference_steps=steps,
                guidance_scale=scale,
            ).images[0]
            image.save(out / f"{number:04d}-{seed}.png")


if __name__ == "__main__":
    main()
