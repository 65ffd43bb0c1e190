"""Stage `interpolate`: image embeddings -> their weighted sum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.stages.calls import GENERATOR_STATE


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns image_embeds and negative_image_embeds, each [1, embedding_dim]; and, where a prior
    was among the inputs, the generator_state after the last one.

    The sum is computed as in diffusers (`KandinskyV22PriorPipeline.interpolate`).
    """
    weights = _numbers(node.params["weights"])
    items = [inputs[f"item{number}"] for number in range(len(weights))]
    summands = [
        item["image_embeds"] * weight
        for item, weight in zip(items, weights, strict=True)
        if isinstance(item, dict)
    ]
    result = {"image_embeds": torch.cat(summands).sum(dim=0, keepdim=True)}
    negative = inputs.get("negative")
    if isinstance(negative, dict):
        result["negative_image_embeds"] = negative["image_embeds"]
    else:
        assert isinstance(items[0], dict)
        result["negative_image_embeds"] = items[0]["negative_image_embeds"]
    # "drawn_last": a prior's result that serves for this alone.
    for part in (*items, negative, inputs.get("drawn_last")):
        if isinstance(part, dict) and GENERATOR_STATE in part:
            result[GENERATOR_STATE] = part[GENERATOR_STATE]
    return result


def _numbers(value: Any) -> list[float]:
    assert isinstance(value, list)
    return [float(number) for number in value]
