"""Finds NaN and infinity where they arise: diffusers would turn them into a black image."""

from __future__ import annotations

import torch

from runner.errors import NonFiniteError
from runner.graph.node import Node


def check_finite(node: Node, what: str, tensor: torch.Tensor) -> None:
    """Raises NonFiniteError for NaN or infinity; its message says what usually helps."""
    if bool(torch.isfinite(tensor).all()):
        return
    dtype = node.pipeline.dtype if node.pipeline else "float32"
    advice = "try precision=fp32 or bf16" if dtype == "float16" else "the weights may be damaged"
    if node.pipeline is not None and node.pipeline.loras:
        weights = ", ".join(f"{lora.weight:g}" for lora in node.pipeline.loras)
        advice = f"{advice}; or a LoRA is damaged, or has too large a weight ({weights})"
    raise NonFiniteError(
        f"{node.stage} failed ({node.label}): {what} hold NaN or infinity at {dtype}; {advice}"
    )
