"""A minimal diffusers script for one image of the small family. No logging."""

import sys

import torch
from diffusers import DDIMScheduler, KandinskyV22Pipeline, KandinskyV22PriorPipeline

weights, output = sys.argv[1:]
torch.set_num_threads(1)  # the faster choice for models of this size
prior = KandinskyV22PriorPipeline.from_pretrained(f"{weights}/kandinsky-2-2-prior")
decoder = KandinskyV22Pipeline.from_pretrained(f"{weights}/kandinsky-2-2-decoder")
config = {key: value for key, value in decoder.scheduler.config.items() if key != "variance_type"}
decoder.scheduler = DDIMScheduler.from_config(config)
embeds = prior("a red circle on a white background", generator=torch.Generator().manual_seed(0))
image = decoder(
    image_embeds=embeds.image_embeds,
    negative_image_embeds=embeds.negative_image_embeds,
    height=128,
    width=128,
    num_inference_steps=25,
    guidance_scale=2.0,  # what these weights draw best with
    generator=torch.Generator().manual_seed(0),
).images[0]
image.save(output)
