"""The text encoders of Kandinsky 2.1's decoder (multilingual CLIP) and of Kandinsky 3 (T5).

Both are students of the prior's text encoder: the mean of their token states, projected, is to be
its embedding of the same caption, whatever the language. That tells them apart what captions mean;
the UNets then read the states themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP
from torch import Tensor, nn
from transformers import T5Config, T5EncoderModel

from training.captions import caption
from training.loop import Budget, Run, load_ema, train
from training.parts import clip
from training.scenes import sample_loosely
from training.steps import Draws, Losses
from training.tokenizers.unigrams import (
    T5_TOKENS,
    XLM_ROBERTA_TOKENS,
    t5_tokenizer,
    xlm_roberta_tokenizer,
)

MULTILINGUAL, T5 = "multilingual", "t5"
BUDGET = Budget(steps=2500, peak_lr=1e-3, cooldown=1500, weight_decay=0.02, betas=(0.9, 0.98))
WIDTH = 128
HEADS = 4
BATCH = 128
CAPITAL_SHARE = 0.25
"""Of captions that begin with a capital: these tokenizers, unlike CLIP's, tell case apart."""


@dataclass(frozen=True)
class Told:
    """What an encoder makes of prompts: `pooled` [B, clip.WIDTH], `states` [B, T, WIDTH], and
    `mask` [B, T], 1 where there is a token.
    """

    pooled: Tensor
    states: Tensor
    mask: Tensor


class Student(Protocol):
    """A text encoder with its tokenizer."""

    def read(self, prompts: list[str], padding: str = "longest") -> Told:
        """Prompts, padded to the longest of them, or to "max_length" as the pipelines do."""


class MultilingualStudent(nn.Module):
    """The encoder of Kandinsky 2.1's decoder. Its pooled output takes part in every picture."""

    def __init__(self) -> None:
        super().__init__()
        tokenizer = xlm_roberta_tokenizer()
        self.encoder = MultilingualCLIP(
            MCLIPConfig(
                transformerDimSize=WIDTH,
                imageDimSize=clip.WIDTH,
                vocab_size=len(tokenizer),
                hidden_size=WIDTH,
                intermediate_size=2 * WIDTH,
                num_hidden_layers=3,
                num_attention_heads=HEADS,
                # Positions are counted from the padding id + 1.
                max_position_embeddings=XLM_ROBERTA_TOKENS + 2,
                type_vocab_size=1,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )

    def read(self, prompts: list[str], padding: str = "longest") -> Told:
        """Prompts, padded to the longest of them, or to "max_length"."""
        ids, mask = self.tokens(prompts, padding)
        return self.encode(ids.to(self.encoder.device), mask.to(self.encoder.device))

    @staticmethod
    def tokens(prompts: list[str], padding: str = "max_length") -> tuple[Tensor, Tensor]:
        """Ids and attention mask [B, T], on the CPU."""
        return tokens(xlm_roberta_tokenizer(), prompts, padding)

    def encode(self, ids: Tensor, mask: Tensor) -> Told:
        """What it makes of tokens."""
        pooled, states = self.encoder(ids, mask)
        return Told(pooled, states, mask)


class T5Student(nn.Module):
    """The encoder of Kandinsky 3, and a head that only training needs."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = T5EncoderModel(
            T5Config(
                vocab_size=len(t5_tokenizer()),
                d_model=WIDTH,
                d_kv=WIDTH // HEADS,
                d_ff=2 * WIDTH,
                num_layers=3,
                num_heads=HEADS,
                dropout_rate=0.0,
                feed_forward_proj="gated-gelu",
                tie_word_embeddings=False,
            )
        )
        self.head = nn.Linear(WIDTH, clip.WIDTH)

    def read(self, prompts: list[str], padding: str = "longest", most: int = T5_TOKENS) -> Told:
        """Prompts, padded to the longest of them, or to `most` tokens with "max_length"."""
        ids, mask = self.tokens(prompts, padding, most)
        return self.encode(ids.to(self.encoder.device), mask.to(self.encoder.device))

    @staticmethod
    def tokens(
        prompts: list[str], padding: str = "longest", most: int = T5_TOKENS
    ) -> tuple[Tensor, Tensor]:
        """Ids and attention mask [B, T], on the CPU."""
        return tokens(t5_tokenizer(), prompts, padding, most)

    def encode(self, ids: Tensor, mask: Tensor) -> Told:
        """What it makes of tokens."""
        states = self.encoder(ids, attention_mask=mask).last_hidden_state
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return Told(self.head(mean), states, mask)


def tokens(
    tokenizer: Any,
    prompts: list[str],
    padding: str,
    most: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Ids and attention mask [B, T], on the CPU."""
    made = tokenizer(
        prompts, padding=padding, truncation=True, max_length=most, return_tensors="pt"
    )
    return made.input_ids, made.attention_mask


def train_multilingual(work: Path, seed: int, device: torch.device, budget: Budget = BUDGET) -> Run:
    """Train the encoder of Kandinsky 2.1's decoder under `work`/multilingual."""
    return run_training(MULTILINGUAL, MultilingualStudent, work, seed, device, budget)


def train_t5(work: Path, seed: int, device: torch.device, budget: Budget = BUDGET) -> Run:
    """Train the encoder of Kandinsky 3 under `work`/t5."""
    return run_training(T5, T5Student, work, seed, device, budget)


def run_training(
    name: str,
    build: Callable[[], nn.Module],
    work: Path,
    seed: int,
    device: torch.device,
    budget: Budget,
) -> Run:
    """Train a student under `work`/`name` on the trained CLIP there."""
    torch.manual_seed(seed)
    teacher = clip.load(work).to(device)

    def measure(model: nn.Module, step: int, draws: Draws) -> Losses:
        worded = [caption(draws.python, sample_loosely(draws.python, 0.0))[0] for _ in range(BATCH)]
        said = [capitalised(draws, text) for text in worded]
        with torch.no_grad():
            wanted = teacher.embed_captions(worded)
        told = cast(Student, model).read(said)
        return {"loss": F.mse_loss(told.pooled, wanted)}

    return train(name, build().to(device), measure, budget, work / name, seed)


def capitalised(draws: Draws, text: str) -> str:
    """The text, now and then with a capital at its start."""
    return text.capitalize() if draws.python.random() < CAPITAL_SHARE else text


def load_multilingual(work: Path) -> MultilingualStudent:
    """The trained encoder (EMA) under `work`, frozen."""
    return cast(MultilingualStudent, load_ema(MultilingualStudent(), work / MULTILINGUAL))


def load_t5(work: Path) -> T5Student:
    """The trained encoder (EMA) under `work`, frozen."""
    return cast(T5Student, load_ema(T5Student(), work / T5))
