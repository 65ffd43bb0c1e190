"""The decoder's UNet: a diffusion over MoVQ latents, told a CLIP image embedding."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from training.loop import Budget, Run, load_ema, train
from training.parts import clip, dataset
from training.parts.diffusion import Diffusion, build_scheduler, stratified_times
from training.parts.told import ToldEmbeddings
from training.steps import Draws, Losses

NAME = "unet"
BUDGET = Budget(steps=26000, peak_lr=1e-3, cooldown=7000, checkpoint_every=200)
BATCH = 32
NO_IMAGE_SHARE = 0.2
"""Share of the embeddings replaced by that of the zero image, which guidance compares with."""
ELSEWHERE_SHARE = 0.15
"""Of the lone objects told as if they lay elsewhere: in img2img the picture says where."""


def build(**changes: Any) -> UNet2DConditionModel:
    """A fresh UNet with the blocks and the conditioning of Kandinsky 2.2, but for `changes`."""
    blocks = {
        "block_out_channels": (48, 96, 96),
        "layers_per_block": 1,
        "down_block_types": ("ResnetDownsampleBlock2D", *("SimpleCrossAttnDownBlock2D",) * 2),
        "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
        "up_block_types": (*("SimpleCrossAttnUpBlock2D",) * 2, "ResnetUpsampleBlock2D"),
        "attention_head_dim": 32,
        "resnet_time_scale_shift": "scale_shift",
        "norm_num_groups": 16,
        "act_fn": "silu",
    }
    conditioning = {
        "cross_attention_dim": 64,
        "encoder_hid_dim": clip.WIDTH,
        "encoder_hid_dim_type": "image_proj",
        "addition_embed_type": "image",
    }
    channels = {"sample_size": 16, "in_channels": 4, "out_channels": 8}
    return UNet2DConditionModel(**{**channels, **blocks, **conditioning, **changes})


def run_training(work: Path, seed: int, device: torch.device, budget: Budget = BUDGET) -> Run:
    """Train the UNet under `work`/unet on what the trained CLIP and MoVQ there make of scenes."""
    torch.manual_seed(seed)
    known = dataset.training_scenes(seed)
    latents = dataset.latents(work, known, device)
    shaken = ToldEmbeddings(dataset.embeddings(work, known, device), known.scenes)
    nothing = zero_image_embedding(clip.load(work).to(device))
    diffusion = Diffusion(build_scheduler(), device)

    def measure(model: nn.Module, step: int, draws: Draws) -> Losses:
        rows = known.rows(draws, BATCH)
        looks = [row if draws.python.random() >= ELSEWHERE_SHARE else known.twin(draws, row)
                 for row in rows]  # fmt: skip
        clean = latents[rows]
        dropped = torch.rand(BATCH, 1, generator=draws.torch) < NO_IMAGE_SHARE
        drawn = shaken.draw(torch.tensor(looks, device=device), draws)
        told = torch.where(dropped.to(device), nothing, drawn)
        times = stratified_times(draws, BATCH).to(device)
        noise = torch.randn(clean.shape, generator=draws.torch).to(device)
        noisy = diffusion.noisy(clean, noise, times)
        output = model(noisy, times, None, added_cond_kwargs={"image_embeds": told}).sample
        return diffusion.losses(output, clean, noise, times)

    return train(NAME, build().to(device), measure, budget, work / NAME, seed)


@torch.no_grad()
def zero_image_embedding(encoders: clip.Encoders) -> Tensor:
    """The prior pipeline's negative embedding [1, clip.WIDTH]: all-zero pixels, not normalised."""
    side = clip.IMAGE_SIDE
    zeros = torch.zeros(1, 3, side, side, device=encoders.log_scale.device)
    return cast(Tensor, encoders.vision(zeros).image_embeds)


def load(work: Path) -> UNet2DConditionModel:
    """The trained UNet (EMA) under `work`, frozen."""
    return cast(UNet2DConditionModel, load_ema(build(), work / NAME))
