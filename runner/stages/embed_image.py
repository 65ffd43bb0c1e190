"""Stage `embed_image`: picture -> image embedding, as the prior's `interpolate` (2.1 and 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.stages.calls import finite_on_cpu


@torch.no_grad()
def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns image_embeds and negative_image_embeds (of a black image): [1, embedding_dim]."""
    encoder = pipeline.image_encoder
    pixels = pipeline.image_processor(inputs["image"], return_tensors="pt").pixel_values
    device = pipeline._execution_device
    embeddings = {
        "image_embeds": encoder(pixels.to(device, encoder.dtype))["image_embeds"],
        "negative_image_embeds": pipeline.get_zero_embed(1, device=device),
    }
    pipeline.maybe_free_model_hooks()
    return finite_on_cpu(node, embeddings)
