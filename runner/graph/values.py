"""The types of values that pass between stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch
    from PIL import Image


@dataclass(frozen=True)
class Scores:
    """Numbers of a metric, by name; "" where there is only one."""

    values: Mapping[str, float]


One: TypeAlias = "dict[str, torch.Tensor] | Image.Image | Scores"
"""A stage's result: named tensors on the CPU, an RGB image, or numbers."""

Value: TypeAlias = "One | list[Image.Image] | list[dict[str, torch.Tensor]]"
"""The same, or the results of a batch."""

OnStep: TypeAlias = Callable[[int, int], None]
"""Called after each denoising step with the steps done and the number of all steps."""
