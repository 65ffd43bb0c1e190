"""Stages `encode_text` and `encode_text_batch`: texts -> hidden states of the text encoder (3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

from runner.graph.node import Node
from runner.graph.stage_table import UNCORRECTED
from runner.graph.values import OnStep, Value
from runner.stages.calls import finite_on_cpu
from runner.stages.members import members_of


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns prompt_embeds, negative_prompt_embeds [1, L, D] and attention_mask,
    negative_attention_mask [1, L].

    Each text is encoded by itself: diffusers cuts the negative one to the length of the prompt
    (pipeline_kandinsky3.py, encode_prompt). Here the shorter one is padded with masked zeros.
    No negative prompt: all zeros, as in diffusers.
    """
    if UNCORRECTED in node.params:
        return finite_on_cpu(node, _as_in_diffusers(node, pipeline))
    (encoded,) = _told_to_decoder(node, [node.text("prompt")], pipeline)
    return encoded


def run_batch(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns what `run` returns, for each member, of one call.

    The encoder reads every text filled up to its length, with a mask, so a text is the same beside
    others as alone. Each is cut to its own length, as it is alone.
    """
    texts = [one.node.text("prompt") for one in members_of(node, inputs)]
    return _told_to_decoder(node, texts, pipeline)


def _told_to_decoder(
    node: Node, prompts: list[str], pipeline: Any
) -> list[dict[str, torch.Tensor]]:
    """The decoder's arguments for each of several prompts, which have one negative prompt."""
    negative = node.params["negative_prompt"]
    away = None if negative is None else _encoded(pipeline, [node.text("negative_prompt")])[0]
    found = []
    for states, mask in _encoded(pipeline, prompts):
        against, against_mask = away or (torch.zeros_like(states), torch.zeros_like(mask))
        length = max(states.shape[1], against.shape[1])
        encoded = {
            "prompt_embeds": _filled_up(states, length),
            "attention_mask": F.pad(mask, (0, length - mask.shape[1])),
            "negative_prompt_embeds": _filled_up(against, length),
            "negative_attention_mask": F.pad(against_mask, (0, length - against_mask.shape[1])),
        }
        found.append(finite_on_cpu(node, encoded))
    return found


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


def _encoded(pipeline: Any, texts: list[str]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """States and mask of each text, at its own length: its tokens and one more, as diffusers cuts
    a text that is alone.
    """
    states, _, mask, _ = pipeline.encode_prompt(
        texts, do_classifier_free_guidance=False, _cut_context=True
    )
    pipeline.maybe_free_model_hooks()
    lengths = [int(tokens) + 1 for tokens in mask.sum(-1)]
    return [
        (states[row : row + 1, :length], mask[row : row + 1, :length])
        for row, length in enumerate(lengths)
    ]


def _filled_up(states: torch.Tensor, length: int) -> torch.Tensor:
    return F.pad(states, (0, 0, 0, length - states.shape[1]))
