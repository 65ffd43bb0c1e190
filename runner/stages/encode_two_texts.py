"""Stages `encode_two_texts` and its batch: texts -> results of both text encoders (2.0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.stages.calls import finite_on_cpu
from runner.stages.members import members_of


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns the arguments of the pipelines for embeddings: prompt_embeds [1, 77, D],
    prompt_embeds_2 [1, 77, D2], pooled_prompt_embeds [1, P], and the same of the negative prompt,
    or of the empty text where there is none.
    """
    return finite_on_cpu(node, _encoded(node, node.text("prompt"), pipeline))


def run_batch(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns what `run` returns, for each member, of one call."""
    texts = [one.node.text("prompt") for one in members_of(node, inputs)]
    found = finite_on_cpu(node, _encoded(node, texts, pipeline))
    return [
        {name: tensor[row : row + 1] for name, tensor in found.items()} for row in range(len(texts))
    ]


def _encoded(node: Node, prompt: str | list[str], pipeline: Any) -> dict[str, Any]:
    """Results of both encoders for one or several prompts, which have one negative prompt."""
    negative = node.params["negative_prompt"]
    assert negative is None or isinstance(negative, str)
    found = pipeline.encode_prompt(prompt, negative_prompt=negative)
    pipeline.maybe_free_model_hooks()
    return dict(found)
