"""The texts of Kandinsky 2.0: both text encoders, and their results as the pipelines take them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DiffusionPipeline
from diffusers.utils import BaseOutput, logging

logger = logging.get_logger(__name__)

MAX_TOKENS = 77
"""Of a text, for both encoders: shorter ones are padded, and the UNet attends to the padding."""

EMBEDS = ("prompt_embeds", "prompt_embeds_2", "pooled_prompt_embeds")
NEGATIVE_EMBEDS = tuple(f"negative_{name}" for name in EMBEDS)


@dataclass
class KandinskyV20PromptEmbeds(BaseOutput):  # type: ignore[misc]
    """What the text encoders make of prompts, one row each. Arguments of the pipelines:
    `pipeline(**pipeline.encode_prompt(prompt))`.

    The padding needs no mask: the encoders' masks are used within them alone.

    Args:
        prompt_embeds: states of the first encoder, [B, 77, text_dim].
        prompt_embeds_2: states of the second encoder, [B, 77, text_dim_2].
        pooled_prompt_embeds: pooled output of the first encoder, [B, pooled_dim].
        negative_prompt_embeds, negative_prompt_embeds_2, negative_pooled_prompt_embeds: the same of
            what is guided away from; None without guidance.
    """

    prompt_embeds: torch.Tensor
    prompt_embeds_2: torch.Tensor
    pooled_prompt_embeds: torch.Tensor
    negative_prompt_embeds: torch.Tensor | None = None
    negative_prompt_embeds_2: torch.Tensor | None = None
    negative_pooled_prompt_embeds: torch.Tensor | None = None


class KandinskyV20PromptMixin(DiffusionPipeline):  # type: ignore[misc]
    """The part of the pipelines that reads texts."""

    @torch.no_grad()
    def encode_prompt(
        self,
        prompt: str | list[str],
        do_classifier_free_guidance: bool = True,
        negative_prompt: str | list[str] | None = None,
        device: torch.device | None = None,
    ) -> KandinskyV20PromptEmbeds:
        """Run both text encoders.

        Args:
            prompt: one or several.
            do_classifier_free_guidance: whether the negative embeddings are made, too.
            negative_prompt: as many as `prompt`, or one text for all; None: the empty text, with
                which the model was trained.
            device: of the encoders.
        """
        device = device or self._execution_device
        texts = [prompt] if isinstance(prompt, str) else list(prompt)
        embeds = self._encode(texts, device)
        if not do_classifier_free_guidance:
            return KandinskyV20PromptEmbeds(*embeds)
        away = self._encode_negative(negative_prompt, len(texts), device)
        return KandinskyV20PromptEmbeds(*embeds, *away)

    def _encode_negative(
        self, negative_prompt: str | list[str] | None, rows: int, device: torch.device
    ) -> list[torch.Tensor]:
        """One text for all rows is encoded once."""
        if isinstance(negative_prompt, list):
            return list(self._encode(negative_prompt, device))
        once = self._encode([negative_prompt or ""], device)
        return [each.expand(rows, *each.shape[1:]).contiguous() for each in once]

    def _encode(
        self, texts: list[str], device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """States of both encoders, and the pooled output of the first one."""
        ids, mask = self._tokenize(self.tokenizer, texts, device)
        pooled, states = self.text_encoder(input_ids=ids, attention_mask=mask)
        ids, mask = self._tokenize(self.tokenizer_2, texts, device)
        states_2 = self.text_encoder_2(input_ids=ids, attention_mask=mask)[0]
        return states, states_2, pooled

    @staticmethod
    def _tokenize(
        tokenizer: Any, texts: list[str], device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = tokenizer(
            texts,
            padding="max_length",
            max_length=MAX_TOKENS,
            truncation=True,
            return_attention_mask=True,
            add_special_tokens=True,
            return_tensors="pt",
        )
        whole = tokenizer(texts, add_special_tokens=True).input_ids
        for row, kept in zip(whole, tokens.input_ids, strict=True):
            if len(row) > len(kept):
                lost = tokenizer.decode(row[len(kept) - 1 : -1])
                logger.warning(
                    "The following part of your input was truncated because the text encoders read "
                    f"up to {MAX_TOKENS} tokens: {lost}"
                )
        return tokens.input_ids.to(device), tokens.attention_mask.to(device)

    def check_prompts(
        self,
        prompt: str | list[str] | None,
        negative_prompt: str | list[str] | None,
        embeds: Mapping[str, torch.Tensor | None],
    ) -> int:
        """How many prompts there are.

        Args:
            embeds: the pipelines' six arguments for embeddings.

        Raises:
            ValueError: texts and embeddings do not go together.
        """
        for text, names in ((prompt, EMBEDS), (negative_prompt, NEGATIVE_EMBEDS)):
            given = [name for name in names if embeds[name] is not None]
            if given and len(given) < len(names):
                missing = ", ".join(f"`{name}`" for name in names if name not in given)
                raise ValueError(f"`{given[0]}` needs {missing} beside it.")
            if given and text is not None:
                raise ValueError(f"Pass a text or `{given[0]}`, not both.")
        if prompt is None and embeds["prompt_embeds"] is None:
            raise ValueError("Pass `prompt`, or what `encode_prompt` made of one.")
        for name, text in (("prompt", prompt), ("negative_prompt", negative_prompt)):
            if text is not None and not isinstance(text, str | list):
                raise ValueError(f"`{name}` has to be `str` or `list`, but is {type(text)}.")
        rows = _length(prompt, embeds["prompt_embeds"])
        negative_rows = _length(negative_prompt, embeds["negative_prompt_embeds"])
        if not isinstance(negative_prompt, str) and negative_rows not in (None, rows):
            raise ValueError(f"{negative_rows} negative prompts do not fit {rows} prompts.")
        assert rows is not None
        return rows

    def told_to_unet(
        self,
        prompt: str | list[str] | None,
        negative_prompt: str | list[str] | None,
        embeds: Mapping[str, torch.Tensor | None],
        images_per_prompt: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The UNet's `encoder_hidden_states` and `class_labels`, a row for each picture, those of
        the negative prompts first.
        """
        device, is_guided = self._execution_device, self.do_classifier_free_guidance
        wanted: list[Any] = [embeds[name] for name in EMBEDS]
        away: list[Any] = [embeds[name] for name in NEGATIVE_EMBEDS]
        if prompt is not None:
            wanted = list(self._encode([prompt] if isinstance(prompt, str) else prompt, device))
        if is_guided and away[0] is None:
            away = self._encode_negative(negative_prompt, len(wanted[0]), device)
        projected = [self._project(each) for each in ([away, wanted] if is_guided else [wanted])]
        told, added = (
            torch.cat(
                [each[part].repeat_interleave(images_per_prompt, dim=0) for each in projected]
            )
            for part in (0, 1)
        )
        return told.to(self.unet.dtype), added.to(self.unet.dtype)

    def _project(self, embeds: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        device, dtype = self._execution_device, self.text_proj.dtype
        projected: tuple[torch.Tensor, torch.Tensor] = self.text_proj(
            *(each.to(device, dtype) for each in embeds), return_dict=False
        )
        return projected


def _length(text: str | list[str] | None, embeds: torch.Tensor | None) -> int | None:
    if text is not None:
        return 1 if isinstance(text, str) else len(text)
    return None if embeds is None else len(embeds)
