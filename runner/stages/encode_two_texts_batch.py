"""Stage `encode_two_texts_batch`: prompts -> results of both text encoders (2.0), in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.stages.calls import finite_on_cpu
from runner.stages.encode_two_texts import encoded
from runner.stages.members import members_of


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns what the stage `encode_two_texts` returns, for each member."""
    texts = [one.node.text("prompt") for one in members_of(node, inputs)]
    found = finite_on_cpu(node, encoded(node, texts, pipeline))
    return [
        {name: tensor[row : row + 1] for name, tensor in found.items()} for row in range(len(texts))
    ]
