"""The depth-estimation model: how near each pixel is, from a picture alone.

In any colours, and at any places: what it is shown later are a user's pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessorPil

from training.loop import Budget, Run, load_ema, train
from training.parts import movq
from training.rendering import render_depth
from training.scenes import CANVAS, sample_loosely
from training.steps import Draws, Losses

NAME = "depth"
BUDGET = Budget(steps=6000, peak_lr=1.5e-3, warmup=200, cooldown=3000)
BATCH = 8
LOOSE_SHARE = 0.5


def build() -> DPTForDepthEstimation:
    """A fresh DPT (Ranftl et al. 2021), of the class of the published depth estimator."""
    model = DPTForDepthEstimation(
        DPTConfig(
            hidden_size=96,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=192,
            image_size=CANVAS,
            patch_size=8,
            backbone_out_indices=[0, 1, 2, 3],
            neck_hidden_sizes=[16, 24, 32, 32],
            reassemble_factors=[2, 1, 0.5, 0.25],
            fusion_hidden_size=24,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )
    # As transformers starts them, nothing of the picture comes through so few channels.
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.reset_parameters()
    return model


def build_processor() -> DPTImageProcessorPil:
    """Its preprocessing, in the class that works without torchvision."""
    return DPTImageProcessorPil(size={"height": CANVAS, "width": CANVAS})


def preprocess(images: Tensor) -> Tensor:
    """What the processor does to pictures of its own size, [B, 3, 128, 128] in [0, 1]."""
    return images * 2 - 1


def run_training(work: Path, seed: int, device: torch.device, budget: Budget = BUDGET) -> Run:
    """Train the model under `work`/depth."""
    torch.manual_seed(seed)
    model = build()
    # Without its last ReLU: a depth below zero could not be put right. Nothing is lost with it.
    model.head.head[-1] = nn.Identity()

    def measure(model: nn.Module, step: int, draws: Draws) -> Losses:
        scenes = [sample_loosely(draws.python, LOOSE_SHARE) for _ in range(BATCH)]
        images = movq.draw_images(draws.python, scenes).to(device)
        wanted = render_depth(scenes).to(device)
        guess = model(preprocess(images)).predicted_depth[:, None]
        guess = F.interpolate(guess, (CANVAS, CANVAS), mode="bilinear", align_corners=False)
        return {"loss": F.l1_loss(guess, wanted) + F.mse_loss(guess, wanted)}

    return train(NAME, model.to(device), measure, budget, work / NAME, seed)


def load(work: Path) -> DPTForDepthEstimation:
    """The trained model (EMA) under `work`, frozen."""
    return cast(DPTForDepthEstimation, load_ema(build(), work / NAME))
