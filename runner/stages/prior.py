"""Stages `prior` and `prior_batch`: text -> image embedding (2.1 and 2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch

from runner.graph.node import Node
from runner.graph.stage_table import AWAY_FROM
from runner.graph.values import OnStep, Value
from runner.stages import corrections
from runner.stages.calls import GENERATOR_STATE, call, finite_on_cpu, started_generator
from runner.stages.members import members_of


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns, each on the CPU:

    image_embeds, negative_image_embeds: [1, embedding_dim], dtype of the prior.
    generator_state: see `calls.GENERATOR_STATE`.

    Without a negative prompt the negative embedding is that of a black image; "" would be sampled
    like any text (diffusers, pipeline_kandinsky2_2_prior.py).
    """
    generator = started_generator(node, inputs)
    output = _sample(node, node.params["prompt"], generator, pipeline, on_step)
    return sampled_embeddings(node, output, generator)


def run_batch(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns what `run` returns, for each member, of one call.

    Every text is filled up to the encoder's length, so it is the same beside others as alone.
    """
    members = members_of(node, inputs)
    generators = [started_generator(one.node, one.inputs) for one in members]
    texts = [one.node.text("prompt") for one in members]
    return each_sampled(node, _sample(node, texts, generators, pipeline, on_step), generators)


def _sample(node: Node, prompt: Any, generator: Any, pipeline: Any, on_step: OnStep) -> Any:
    """The prior pipeline's output for a text, or for a list of texts.

    Args:
        generator: one, or one for each text.
    """
    params, steps = node.params, node.integer("num_inference_steps")
    arguments = {
        "prompt": prompt,
        "negative_prompt": params["negative_prompt"],
        "num_inference_steps": steps,
        "guidance_scale": params["guidance_scale"],
        "generator": generator,
    }
    with ExitStack() as stack:
        if AWAY_FROM in params:
            stack.enter_context(corrections.guided_away_from(pipeline, node.text(AWAY_FROM)))
        return call(pipeline, on_step, steps, arguments)


def sampled_embeddings(
    node: Node, output: Any, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    """A prior pipeline's embeddings and the generator's state, as the stage returns them."""
    (found,) = each_sampled(node, output, [generator])
    return found


def each_sampled(
    node: Node, output: Any, generators: Sequence[torch.Generator]
) -> list[dict[str, torch.Tensor]]:
    """The same for each text of a call."""
    embeddings = {
        "image_embeds": output.image_embeds,
        "negative_image_embeds": output.negative_image_embeds,
    }
    found = finite_on_cpu(node, embeddings)
    return [
        {
            **{name: tensor[row : row + 1] for name, tensor in found.items()},
            GENERATOR_STATE: generator.get_state(),
        }
        for row, generator in enumerate(generators)
    ]
