"""Stage `prior_from_image`, and its batch: text and picture -> image embedding (2.2).

The prior starts from the picture's own embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.stages.calls import call, started_generator, steps_run
from runner.stages.members import members_of
from runner.stages.prior import each_sampled, sampled_embeddings


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns image_embeds, negative_image_embeds (of a black image) and generator_state, like
    the stage `prior`.
    """
    generator = started_generator(node, inputs)
    output = _sample(node, node.text("prompt"), inputs["image"], generator, pipeline, on_step)
    return sampled_embeddings(node, output, generator)


def run_batch(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns what `run` returns, for each member, of one call."""
    members = members_of(node, inputs)
    generators = [started_generator(one.node, one.inputs) for one in members]
    texts = [one.node.text("prompt") for one in members]
    picture = members[0].inputs["image"]
    output = _sample(node, texts, picture, generators, pipeline, on_step)
    return each_sampled(node, output, generators)


def _sample(
    node: Node, prompt: Any, picture: Value, generator: Any, pipeline: Any, on_step: OnStep
) -> Any:
    """The pipeline's output for a picture and a text, or a list of texts.

    Args:
        generator: one, or one for each text.
    """
    return call(
        pipeline, on_step, steps_run(node),
        {
            "prompt": prompt,
            "image": picture,
            "strength": node.number("strength"),
            "num_inference_steps": node.integer("num_inference_steps"),
            "guidance_scale": node.number("guidance_scale"),
            "generator": generator,
        },
    )  # fmt: skip
