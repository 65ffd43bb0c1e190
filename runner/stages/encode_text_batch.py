"""Stage `encode_text_batch`: prompts -> hidden states of the text encoder (3), in one call.

The encoder reads every text filled up to its length, with a mask, so a text is the same beside
others as alone. Each is cut to its own length, as it is alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.stages.encode_text import told_to_decoder
from runner.stages.members import members_of


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns what the stage `encode_text` returns, for each member."""
    texts = [one.node.text("prompt") for one in members_of(node, inputs)]
    return told_to_decoder(node, texts, pipeline)
