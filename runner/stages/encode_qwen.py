"""Stage `encode_qwen`: a text -> results of Qwen2.5-VL and of CLIP (5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.stages.calls import finite_on_cpu

NAMES = ("prompt_embeds_qwen", "prompt_embeds_clip", "prompt_cu_seqlens")


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns the arguments of the pipelines for embeddings: prompt_embeds_qwen [1, L, D],
    prompt_embeds_clip [1, P], prompt_cu_seqlens [2] (int32).

    Input "image", for editing: what Qwen sees beside the text.

    Each text, the negative one too, is encoded in a call of its own: in one call the longer one
    changes the other, since Qwen is given no attention mask (pipeline_kandinsky_t2i.py,
    _encode_prompt_qwen).
    """
    picture = inputs.get("image")
    shown = {"image": picture} if isinstance(picture, Image.Image) else {}
    states = pipeline.encode_one(
        node.text("prompt"),
        template=node.text("template"),
        before=node.integer("template_tokens"),
        most=node.integer("most_tokens"),
        **shown,
    )
    pipeline.maybe_free_model_hooks()
    return finite_on_cpu(node, dict(zip(NAMES, states, strict=True)))
