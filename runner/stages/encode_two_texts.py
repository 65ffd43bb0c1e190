"""Stage `encode_two_texts`: prompt and negative prompt -> results of both text encoders (2.0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.stages.calls import finite_on_cpu


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns the arguments of the pipelines for embeddings: prompt_embeds [1, 77, D],
    prompt_embeds_2 [1, 77, D2], pooled_prompt_embeds [1, P], and the same of the negative prompt,
    or of the empty text where there is none.
    """
    return finite_on_cpu(node, encoded(node, node.text("prompt"), pipeline))


def encoded(node: Node, prompt: str | list[str], pipeline: Any) -> dict[str, Any]:
    """Results of both encoders for one or several prompts, which have one negative prompt."""
    negative = node.params["negative_prompt"]
    assert negative is None or isinstance(negative, str)
    found = pipeline.encode_prompt(prompt, negative_prompt=negative)
    pipeline.maybe_free_model_hooks()
    return dict(found)
