"""What passes between stages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch
    from PIL import Image

Value: TypeAlias = "dict[str, torch.Tensor] | Image.Image"
"""A stage's result: named tensors on the CPU, or an RGB image."""

OnStep: TypeAlias = Callable[[int, int], None]
"""Told after each denoising step: steps done, steps in all."""
