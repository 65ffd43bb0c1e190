"""Text to image with Kandinsky 5."""

from __future__ import annotations

import torch
from diffusers import Kandinsky5T2IPipeline

from runner.kandinsky5.reading import Reading


class KandinskyV5Pipeline(Reading, Kandinsky5T2IPipeline):  # type: ignore[misc]
    """Draws a picture from a text, of the size that is asked for."""

    @torch.no_grad()
    def encode_one(
        self, text: str, template: str, before: int, most: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What both encoders make of a text.

        Args:
            template, before: see `read_with`.
            most: see `shortened`.

        Returns:
            the states of Qwen [1, L, D], CLIP's pooled state [1, P], and the bounds [0, L] (int32).
        """
        self.read_with(template, before)
        return self.encode_both(text, most, most)
