"""A second course for the MoVQ's decoder, its encoder frozen.

Latents no longer change, so the UNet can learn from them at the same time.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from diffusers import VQModel
from torch import nn

from training.loop import Budget, Run, load_ema, train
from training.parts import dataset, movq
from training.rendering import render
from training.steps import Draws, Losses

NAME = "polish"
BUDGET = Budget(steps=1000, peak_lr=1e-3, cooldown=500, weight_decay=1e-4)
BATCH = 3
LATENT_NOISE = 0.12
"""Strongest noise added to latents, whose own standard deviation is 1."""


def run_training(work: Path, seed: int, device: torch.device, budget: Budget = BUDGET) -> Run:
    """Train the decoder of the MoVQ of `work`/movq further, under `work`/polish."""
    torch.manual_seed(seed)
    known = dataset.training_scenes(seed)
    scenes = known.scenes
    latents = dataset.latents(work, known, device)
    model = movq.load(work).to(device)
    for trained in (model.post_quant_conv, model.decoder):
        trained.requires_grad_(True)

    def measure(model: nn.Module, step: int, draws: Draws) -> Losses:
        assert isinstance(model, VQModel)
        rows = known.rows(draws, BATCH)
        images = render([scenes[row] for row in rows]).to(device)
        strength = LATENT_NOISE * torch.rand(BATCH, 1, 1, 1, generator=draws.torch)
        noise = strength * torch.randn(BATCH, *latents.shape[1:], generator=draws.torch)
        l1, mse = movq.reconstruction(images, movq.decode(model, latents[rows] + noise.to(device)))
        return {"loss": l1 + 4 * mse, "l1": l1, "mse": mse}

    return train(NAME, model, measure, budget, work / NAME, seed)


def load(work: Path) -> VQModel:
    """The whole MoVQ (EMA) with its polished decoder, frozen, its latents normalised."""
    return cast(VQModel, load_ema(movq.build(), work / NAME))
