"""The autoencoder of Kandinsky 2.0: a KL autoencoder whose latents are those of the MoVQ, scaled.

So a UNet that has learnt to draw MoVQ latents can go on from there (`kandinsky2_0`). The scale
brings latents into about [-1, 1], as in the released 2.0: its samplers threshold there.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from diffusers import AutoencoderKL, VQModel
from torch import Tensor, nn

from training.loop import Budget, Run, load_ema, train
from training.parts import movq
from training.scenes import CANVAS
from training.steps import Draws, Losses

NAME = "kl"
BUDGET = Budget(
    steps=16000, peak_lr=1e-3, cooldown=7000, weight_decay=1e-4, ema_decay=0.999, report_every=100
)
WHOLE_FROM = 12000
"""The step from which on only whole images are seen."""
LATENTS = 4
SCALING_FACTOR = 0.0512
"""What the pipelines multiply latents by, as in the released 2.0."""
SHARE = 0.3
"""Scaled latents, in those of the MoVQ: 99.5 % of the numbers of a picture lie within [-1, 1]."""
SPREAD = 0.01
"""Standard deviation of the encoder's samples, in that of the latents."""
LATENT_NOISE = 0.12
"""Strongest noise that the decoder learns to forgive, in the latents' standard deviation."""


def build() -> AutoencoderKL:
    """A fresh autoencoder with the layout of Kandinsky 2.0: four latent channels, factor 8."""
    return AutoencoderKL(
        block_out_channels=(32, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=LATENTS,
        norm_num_groups=32,
        sample_size=CANVAS,
        scaling_factor=SCALING_FACTOR,
    )


def decode(model: AutoencoderKL, latents: Tensor) -> Tensor:
    """MoVQ latents [B, 4, H/8, W/8] -> images [B, 3, H, W], nominally in [0, 1], not clamped."""
    scaled = latents * (SHARE / SCALING_FACTOR)
    return cast(Tensor, model.decode(scaled).sample) * 0.5 + 0.5


@torch.no_grad()
def warm_start(model: AutoencoderKL, trained: VQModel) -> None:
    """Take over the MoVQ's weights that fit; what reads and writes latents, scaled.

    A missing spatial norm, which told the MoVQ's decoder its latents at every level, is to be made
    up for by training.
    """
    own, given = model.state_dict(), trained.state_dict()
    fits = {key: t for key, t in given.items() if key in own and own[key].shape == t.shape}
    model.load_state_dict({**own, **fits})
    scale = SHARE / SCALING_FACTOR
    model.encoder.conv_out.weight[:LATENTS] = trained.encoder.conv_out.weight
    model.encoder.conv_out.bias[:LATENTS] = trained.encoder.conv_out.bias
    for layer in (model.quant_conv.weight, model.quant_conv.bias):
        layer.zero_()
    model.quant_conv.weight[:LATENTS, :LATENTS] = trained.quant_conv.weight * scale
    model.quant_conv.bias[:LATENTS] = trained.quant_conv.bias * scale
    model.quant_conv.bias[LATENTS:] = log_variance()
    model.post_quant_conv.weight.copy_(trained.post_quant_conv.weight / scale)
    model.post_quant_conv.bias.copy_(trained.post_quant_conv.bias)


def log_variance() -> Tensor:
    """Logarithm of the variance of the encoder's samples, before scaling."""
    return 2 * torch.tensor(SPREAD * SHARE / SCALING_FACTOR).log()


def run_training(work: Path, seed: int, device: torch.device, budget: Budget = BUDGET) -> Run:
    """Train the decoder under `work`/kl on the trained MoVQ there, whose encoder it has."""
    torch.manual_seed(seed)
    teacher = movq.load(work)
    model = build()
    warm_start(model, teacher)
    for kept in (model.encoder, model.quant_conv):
        kept.requires_grad_(False)
    teacher.to(device)

    def measure(model: nn.Module, step: int, draws: Draws) -> Losses:
        assert isinstance(model, AutoencoderKL)
        images = movq.draw_crops(draws.python, step, WHOLE_FROM).to(device)
        with torch.no_grad():
            latents = movq.encode(teacher, images)
        strength = LATENT_NOISE * torch.rand(len(images), 1, 1, 1, generator=draws.torch)
        noise = (strength * torch.randn(latents.shape, generator=draws.torch)).to(device)
        l1, mse = movq.reconstruction(images, decode(model, latents + noise))
        return {"loss": l1 + 4 * mse, "l1": l1, "mse": mse}

    return train(NAME, model.to(device), measure, budget, work / NAME, seed)


def load(work: Path) -> AutoencoderKL:
    """The trained autoencoder (EMA) under `work`, frozen."""
    return cast(AutoencoderKL, load_ema(build(), work / NAME))
