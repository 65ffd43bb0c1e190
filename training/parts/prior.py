"""The prior: a diffusion over CLIP image embeddings, told a caption; it predicts the clean one.

It learns the part of the embeddings that adds up over attributes: the rest belongs to combinations,
and what it knew of the rest of seen ones it would guess wrongly for others.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from diffusers import PriorTransformer, UnCLIPScheduler
from torch import Tensor, nn

from training.captions import caption
from training.loop import Budget, Run, load_ema, train
from training.parts import clip, dataset
from training.parts.told import ToldEmbeddings
from training.steps import Draws, Losses
from training.tokenizers.byte_pairs import MAX_TOKENS, build_tokenizer

NAME = "prior"
BUDGET = Budget(steps=6000, peak_lr=1e-3, cooldown=1800, betas=(0.9, 0.98))
BATCH = 96
SHARES = {"en": 0.3, "ru": 0.2, "zh": 0.5}
"""Of languages. Chinese names a relation behind both objects, whose states in a causal text encoder
know nothing of it: to bind them is left to the prior, and takes it longer to learn.
"""
NO_CAPTION_SHARE = 0.12
"""Share of the captions replaced by "", which is what guidance compares with."""


def build() -> PriorTransformer:
    """A fresh prior over `clip.WIDTH` numbers."""
    model = PriorTransformer(
        num_attention_heads=clip.HEADS,
        attention_head_dim=clip.WIDTH // clip.HEADS,
        num_layers=4,
        embedding_dim=clip.WIDTH,
        num_embeddings=MAX_TOKENS,
        additional_embeddings=4,
    )
    # diffusers starts both at zero, which leaves the positions alike.
    nn.init.normal_(model.positional_embedding, std=0.02)
    nn.init.normal_(model.prd_embedding, std=0.02)
    # Statistics, not weights; zero, as diffusers starts them, would erase every embedding.
    nn.init.ones_(model.clip_std)
    model.clip_mean.requires_grad_(False)
    model.clip_std.requires_grad_(False)
    return model


def build_scheduler() -> UnCLIPScheduler:
    """The scheduler of Kandinsky's priors. Its default range, 1, would clip most embeddings."""
    return UnCLIPScheduler(
        variance_type="fixed_small_log",
        clip_sample=True,
        clip_sample_range=5.0,
        prediction_type="sample",
    )


def run_training(work: Path, seed: int, device: torch.device, budget: Budget = BUDGET) -> Run:
    """Train the prior under `work`/prior on the embeddings of the trained CLIP there."""
    torch.manual_seed(seed)
    encoders = clip.load(work).to(device)
    known = dataset.training_scenes(seed)
    scenes = known.scenes
    targets = ToldEmbeddings(dataset.embeddings(work, known, device), scenes).plain
    model = build().to(device)
    with torch.no_grad():
        model.clip_mean.copy_(targets.mean(0, keepdim=True))
        model.clip_std.copy_(targets.std(0, keepdim=True))
    targets = (targets - model.clip_mean) / model.clip_std
    scheduler = build_scheduler()
    tokenizer = build_tokenizer()

    def measure(model: nn.Module, step: int, draws: Draws) -> Losses:
        rows = known.rows(draws, BATCH)
        captions = [
            ""
            if draws.python.random() < NO_CAPTION_SHARE
            else caption(draws.python, scenes[row], SHARES)[0]
            for row in rows
        ]
        tokens = tokenizer(
            captions, padding="max_length", max_length=MAX_TOKENS, truncation=True,
            return_tensors="pt",
        ).to(device)  # fmt: skip
        with torch.no_grad():
            told = encoders.text(tokens.input_ids)
        clean = targets[rows]
        times = torch.randint(0, 1000, (BATCH,), generator=draws.torch).to(device)
        noise = torch.randn(clean.shape, generator=draws.torch).to(device)
        noisy = cast(Tensor, scheduler.add_noise(clean, noise, times))
        guess = model(
            noisy,
            times,
            proj_embedding=told.text_embeds,
            encoder_hidden_states=told.last_hidden_state,
            attention_mask=tokens.attention_mask.bool(),
        ).predicted_image_embedding
        return {"loss": F.mse_loss(guess, clean)}

    return train(NAME, model, measure, budget, work / NAME, seed)


def load(work: Path) -> PriorTransformer:
    """The trained prior (EMA) under `work`, frozen."""
    return cast(PriorTransformer, load_ema(build(), work / NAME))
