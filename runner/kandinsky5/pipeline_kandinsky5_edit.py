"""Editing by instruction with Kandinsky 5."""

from __future__ import annotations

import torch
from diffusers import Kandinsky5I2IPipeline
from PIL import Image

from runner.kandinsky5.reading import Reading

ALL_TOKENS = 1024
"""Of text and picture that Qwen reads after its template."""


class KandinskyV5EditPipeline(Reading, Kandinsky5I2IPipeline):  # type: ignore[misc]
    """Draws a picture from another one and an instruction, of the size that is asked for.

    The picture must have that size: diffusers would stretch it for the autoencoder, and show Qwen
    what it was before.
    """

    @torch.no_grad()
    def encode_one(
        self, text: str, template: str, before: int, most: int, image: Image.Image
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What both encoders make of a text, Qwen with the picture at half size beside it.

        Arguments and results are those of text to image.
        """
        self.read_with(template, before)
        return self.encode_both(text, most, ALL_TOKENS, image=image)
