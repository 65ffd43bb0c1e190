"""Text -> image embedding (2.1 and 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from runner.graph import Node
from runner.stages.finite import check_finite
from runner.stages.steps import report_steps
from runner.values import OnStep, Value


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns, each on the CPU:

    image_embeds, negative_image_embeds: [1, embedding_dim], dtype of the prior.
    generator_state: uint8, where the generator stands after the prior; `seeding=shared` goes on
        from there.

    Without a negative prompt the negative embedding is that of a black image; "" would be sampled
    like any text (diffusers, pipeline_kandinsky2_2_prior.py).
    """
    params = node.params
    generator = torch.Generator("cpu").manual_seed(node.integer("seed"))
    steps = node.integer("num_inference_steps")
    output = pipeline(
        prompt=params["prompt"],
        negative_prompt=params["negative_prompt"],
        num_inference_steps=steps,
        guidance_scale=params["guidance_scale"],
        generator=generator,
        callback_on_step_end=report_steps(on_step, steps),
    )
    embeddings = {
        "image_embeds": output.image_embeds.cpu(),
        "negative_image_embeds": output.negative_image_embeds.cpu(),
    }
    for name, tensor in embeddings.items():
        check_finite(node, name, tensor)
    return {**embeddings, "generator_state": generator.get_state()}
