"""Image embedding -> image (2.2: the decoder never sees the prompt)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image

from runner.graph import Node
from runner.stages.finite import check_finite
from runner.stages.steps import report_steps
from runner.values import OnStep, Value


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns an RGB image, height x width as in the node's parameters."""
    params = node.params
    embeddings = inputs["prior"]
    assert isinstance(embeddings, dict)
    generator = torch.Generator("cpu")
    if params["seeding"] == "shared":
        generator.set_state(embeddings["generator_state"])
    else:
        generator.manual_seed(node.integer("seed"))
    device, dtype = pipeline._execution_device, pipeline.unet.dtype
    steps = node.integer("num_inference_steps")
    # Without guidance diffusers casts nothing to the UNet's dtype, so it is done here for both.
    output = pipeline(
        image_embeds=embeddings["image_embeds"].to(device, dtype),
        negative_image_embeds=embeddings["negative_image_embeds"].to(device, dtype),
        height=params["height"],
        width=params["width"],
        num_inference_steps=steps,
        guidance_scale=params["guidance_scale"],
        generator=generator,
        output_type="pt",
        callback_on_step_end=report_steps(on_step, steps),
    )
    # "pt" is raw: unlike "pil" it still shows NaN, which would become black.
    check_finite(node, "the decoded pixels", output.images)
    return to_image(output.images[0])


def to_image(pixels: torch.Tensor) -> Image.Image:
    """[3, H, W] around [-1, 1] -> RGB, by the very steps of diffusers' output_type="pil"."""
    scaled = (pixels * 0.5 + 0.5).clamp(0, 1)
    array = scaled.cpu().permute(1, 2, 0).float().numpy()
    return Image.fromarray((array * 255).round().astype("uint8"))
