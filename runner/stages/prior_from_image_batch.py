"""Stage `prior_from_image_batch`: texts and a picture -> image embeddings, in one call (2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.stages.calls import started_generator
from runner.stages.members import members_of
from runner.stages.prior import each_sampled
from runner.stages.prior_from_image import sample


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns what the stage `prior_from_image` returns, for each member."""
    members = members_of(node, inputs)
    generators = [started_generator(one.node, one.inputs) for one in members]
    texts = [one.node.text("prompt") for one in members]
    picture = members[0].inputs["image"]
    output = sample(node, texts, picture, generators, pipeline, on_step)
    return each_sampled(node, output, generators)
