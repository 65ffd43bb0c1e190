"""Text to image with Kandinsky 5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import Kandinsky5T2IPipeline
from diffusers.pipelines.kandinsky5.pipeline_kandinsky_t2i import prompt_clean

from runner.kandinsky5.processor import PicturesAndText

MARKS = 1
"""Tokens after a prompt: the mark at its end."""


class EverySize(list[tuple[int, int]]):
    """Sizes of which each is one: diffusers draws its nearest published shape in place of others,
    with a line in a log. Which sizes are right is for the caller to check.
    """

    def __contains__(self, size: object) -> bool:
        return True


class KandinskyV5Pipeline(Kandinsky5T2IPipeline):  # type: ignore[misc]
    """Draws a picture from a text, of the size that is asked for.

    One picture a call: of several prompts the shorter ones are changed by the longest
    (pipeline_kandinsky_t2i.py, no attention mask), and several pictures of several prompts mix
    them up.
    """

    def __init__(
        self,
        transformer: Any,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        text_encoder_2: Any,
        tokenizer_2: Any,
        scheduler: Any,
    ) -> None:
        super().__init__(
            transformer, vae, text_encoder, tokenizer, text_encoder_2, tokenizer_2, scheduler
        )
        self.resolutions = EverySize()

    @classmethod
    def from_pretrained(cls, path: str, **given: Any) -> Any:
        """As the base class, with a processor that needs no torchvision."""
        if "tokenizer" not in given:
            given["tokenizer"] = PicturesAndText.of_folder(Path(path) / "tokenizer")
        return super().from_pretrained(path, **given)

    @torch.no_grad()
    def encode_one(
        self, text: str, template: str, before: int, most: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What both encoders make of a text.

        Args:
            template: what Qwen reads, with {} for the text.
            before: the number of its tokens before the text, which are not handed on.
            most: tokens of the text and its end that Qwen reads; what is over is cut off.

        Returns:
            the states of Qwen [1, L, D], CLIP's pooled state [1, P], and the bounds [0, L] (int32).
        """
        self.prompt_template, self.prompt_template_encode_start_idx = template, before
        found: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = self.encode_prompt(
            self.shortened(text, most), max_sequence_length=most
        )
        return found

    def shortened(self, text: str, most: int) -> str:
        """The beginning of a text that Qwen reads. diffusers would cut off the mark at its end
        with it, and name other words as lost.
        """
        cleaned: str = prompt_clean(text)
        tokenizer: Any = self.tokenizer.tokenizer
        told = tokenizer(cleaned, return_offsets_mapping=True, add_special_tokens=False)
        spans = told["offset_mapping"]
        kept = most - MARKS
        return text if len(spans) <= kept else cleaned[: spans[kept][0]]
