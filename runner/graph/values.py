"""What passes between stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch
    from PIL import Image


@dataclass(frozen=True)
class Scores:
    """What a metric measured, by name; "" where it is one number."""

    values: Mapping[str, float]


Value: TypeAlias = "dict[str, torch.Tensor] | Image.Image | Scores | list[Image.Image]"
"""A stage's result: named tensors on the CPU, an RGB image, numbers, or the images of a batch."""

OnStep: TypeAlias = Callable[[int, int], None]
"""Told after each denoising step: steps done, steps in all."""
