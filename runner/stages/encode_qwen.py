"""Stage `encode_qwen`: prompt and negative prompt -> results of Qwen2.5-VL and of CLIP (5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image

from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.stages.calls import finite_on_cpu

NAMES = ("prompt_embeds_qwen", "prompt_embeds_clip", "prompt_cu_seqlens")


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns the arguments of the pipelines for embeddings: prompt_embeds_qwen [1, L, D],
    prompt_embeds_clip [1, P], prompt_cu_seqlens [2] (int32), and the same of the negative prompt,
    or of the empty text where there is none.

    Input "image", for editing: what Qwen sees beside each text.

    Each text is encoded in a call of its own: in one call the longer one changes the other, since
    Qwen is given no attention mask (pipeline_kandinsky_t2i.py, _encode_prompt_qwen).
    """
    negative = node.params["negative_prompt"]
    assert negative is None or isinstance(negative, str)
    picture = inputs.get("image")
    shown = {"image": picture} if isinstance(picture, Image.Image) else {}
    found: dict[str, torch.Tensor] = {}
    for before, text in (("", node.text("prompt")), ("negative_", negative or "")):
        states = pipeline.encode_one(
            text,
            template=node.text("template"),
            before=node.integer("template_tokens"),
            most=node.integer("most_tokens"),
            **shown,
        )
        pipeline.maybe_free_model_hooks()
        found |= {f"{before}{name}": one for name, one in zip(NAMES, states, strict=True)}
    return finite_on_cpu(node, found)
