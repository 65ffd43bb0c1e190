"""What both pipelines of Kandinsky 5 do otherwise than diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.kandinsky5.pipeline_kandinsky_t2i import prompt_clean

from runner.kandinsky5.processor import PicturesAndText

MARKS = 1
"""Tokens after a prompt that are counted with it: the mark at the end."""


class EverySize(list[tuple[int, int]]):
    """Sizes of which each is one: diffusers draws its nearest published shape in place of others,
    with a line in a log. Which sizes are right is for the caller to check.
    """

    def __contains__(self, size: object) -> bool:
        return True


class Reading:
    """Goes before the class of diffusers.

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
        super().__init__(  # type: ignore[call-arg]
            transformer, vae, text_encoder, tokenizer, text_encoder_2, tokenizer_2, scheduler
        )
        self.resolutions = EverySize()

    @classmethod
    def from_pretrained(cls, path: str, **given: Any) -> Any:
        """As the class of diffusers, with a processor that needs no torchvision."""
        if "tokenizer" not in given:
            given["tokenizer"] = PicturesAndText.of_folder(Path(path) / "tokenizer")
        return super().from_pretrained(path, **given)  # type: ignore[misc]

    def read_with(self, template: str, before: int) -> None:
        """Set what Qwen reads around a text.

        Args:
            template: with {} for the text.
            before: the number of its tokens that are not handed on.
        """
        self.prompt_template, self.prompt_template_encode_start_idx = template, before

    def encode_both(
        self, text: str, most: int, all_tokens: int, **shown: Any
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What both encoders make of a text that is cleaned once: see `encode_one`. (Given what is
        left of a text, `encode_prompt` would clean it once more.)

        Args:
            most: tokens of the text with the mark at its end.
            all_tokens: of them and what is shown beside them.
            shown: other arguments for Qwen.
        """
        pipeline: Any = self
        cleaned = prompt_clean(text)
        given = {"device": pipeline._execution_device, "dtype": pipeline.text_encoder.dtype}
        states, bounds = pipeline._encode_prompt_qwen(
            [self.shortened(cleaned, most)], max_sequence_length=all_tokens, **shown, **given
        )
        return states, pipeline._encode_prompt_clip([cleaned], **given), bounds

    def shortened(self, cleaned: str, most: int) -> str:
        """The beginning of a cleaned text that Qwen reads: `most` tokens with the mark at its end.
        diffusers would cut off that mark too, and name other words as lost.
        """
        tokenizer: Any = self.tokenizer.tokenizer  # type: ignore[attr-defined]
        told = tokenizer(cleaned, return_offsets_mapping=True, add_special_tokens=False)
        spans = told["offset_mapping"]
        kept = most - MARKS
        return cleaned if len(spans) <= kept else cleaned[: spans[kept][0]]
