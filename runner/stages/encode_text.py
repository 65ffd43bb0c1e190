"""Stage `encode_text`: prompt and negative prompt -> hidden states of the text encoder (3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

from runner.graph.node import Node
from runner.graph.stage_table import UNCORRECTED
from runner.graph.values import OnStep, Value
from runner.stages.calls import finite_on_cpu


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns prompt_embeds, negative_prompt_embeds [1, L, D] and attention_mask,
    negative_attention_mask [1, L].

    Each text is encoded by itself: diffusers cuts the negative one to the length of the prompt
    (pipeline_kandinsky3.py, encode_prompt). Here the shorter one is padded with masked zeros.
    No negative prompt: all zeros, as in diffusers.
    """
    if UNCORRECTED in node.params:
        return finite_on_cpu(node, _as_in_diffusers(node, pipeline))
    states, mask = _encoded(pipeline, node.text("prompt"))
    if node.params["negative_prompt"] is None:
        negative, negative_mask = torch.zeros_like(states), torch.zeros_like(mask)
    else:
        negative, negative_mask = _encoded(pipeline, node.text("negative_prompt"))
    length = max(states.shape[1], negative.shape[1])
    encoded = {
        "prompt_embeds": _filled_up(states, length),
        "attention_mask": F.pad(mask, (0, length - mask.shape[1])),
        "negative_prompt_embeds": _filled_up(negative, length),
        "negative_attention_mask": F.pad(negative_mask, (0, length - negative_mask.shape[1])),
    }
    return finite_on_cpu(node, encoded)


def _as_in_diffusers(node: Node, pipeline: Any) -> dict[str, torch.Tensor]:
    states, negative, mask, negative_mask = pipeline.encode_prompt(
        node.text("prompt"), True, negative_prompt=node.text("negative_prompt"), _cut_context=True
    )
    pipeline.maybe_free_model_hooks()
    return {
        "prompt_embeds": states,
        "attention_mask": mask,
        "negative_prompt_embeds": negative,
        "negative_attention_mask": negative_mask,
    }


def _encoded(pipeline: Any, text: str) -> tuple[torch.Tensor, torch.Tensor]:
    states, _, mask, _ = pipeline.encode_prompt(
        text, do_classifier_free_guidance=False, _cut_context=True
    )
    pipeline.maybe_free_model_hooks()
    return states, mask


def _filled_up(states: torch.Tensor, length: int) -> torch.Tensor:
    return F.pad(states, (0, 0, 0, length - states.shape[1]))
