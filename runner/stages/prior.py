"""Stage `prior`: text -> image embedding (2.1 and 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.stages.calls import GENERATOR_STATE, call, finite_on_cpu, started_generator


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns, each on the CPU:

    image_embeds, negative_image_embeds: [1, embedding_dim], dtype of the prior.
    generator_state: see `calls.GENERATOR_STATE`.

    Without a negative prompt, or where only the prior uses it (`negative_for`), the negative
    embedding is that of a black image; "" would be sampled like any text (diffusers,
    pipeline_kandinsky2_2_prior.py).
    """
    params = node.params
    generator = started_generator(node, inputs, "generator")
    steps = node.integer("num_inference_steps")
    output = call(
        pipeline, on_step, steps,
        {
            "prompt": params["prompt"],
            "negative_prompt": params["negative_prompt"],
            "num_inference_steps": steps,
            "guidance_scale": params["guidance_scale"],
            "generator": generator,
        },
    )  # fmt: skip
    if params.get("negative_for") == "prior":
        # The black image's embedding. The negative prompt was sampled, as the generator goes on.
        output.negative_image_embeds = pipeline.get_zero_embed(1, output.image_embeds.device).to(
            output.image_embeds.dtype
        )
    return sampled_embeddings(node, output, generator)


def sampled_embeddings(
    node: Node, output: Any, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    """A prior pipeline's embeddings and the generator's state, as the stage returns them."""
    embeddings = {
        "image_embeds": output.image_embeds,
        "negative_image_embeds": output.negative_image_embeds,
    }
    return {**finite_on_cpu(node, embeddings), GENERATOR_STATE: generator.get_state()}
