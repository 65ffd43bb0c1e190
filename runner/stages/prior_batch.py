"""Stage `prior_batch`: texts -> image embeddings, in one call of the prior (2.1 and 2.2).

Every text is filled up to the encoder's length, so it is the same beside others as alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.stages.calls import started_generator
from runner.stages.members import members_of
from runner.stages.prior import each_sampled, sample


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns what the stage `prior` returns, for each member."""
    members = members_of(node, inputs)
    generators = [started_generator(one.node, one.inputs) for one in members]
    texts = [one.node.text("prompt") for one in members]
    return each_sampled(node, sample(node, texts, generators, pipeline, on_step), generators)
