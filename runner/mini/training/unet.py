"""The decoder's UNet: a diffusion over MoVQ latents, told a CLIP image embedding.

Four channels predict v, four the variance between DDPM's two bounds (Nichol and Dhariwal 2021,
"learned range"). Prediction of v, not of the noise as in the released Kandinsky 2.2: at this size
it learns backgrounds and colours several times sooner. The scheduler's config says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from runner.mini.training import clip, dataset
from runner.mini.training.loop import Budget, Draws, Losses, Run, load_ema, train
from runner.mini.training.told import ToldEmbeddings

NAME = "unet"
BUDGET = Budget(steps=26000, peak_lr=1e-3, cooldown=7000, checkpoint_every=200)
BATCH = 32
TIMES = 1000
NO_IMAGE_SHARE = 0.2
"""Share of the embeddings replaced by that of the zero image, which guidance compares with."""
VARIANCE_WEIGHT = 0.1


def build() -> UNet2DConditionModel:
    """A fresh UNet with the blocks and the conditioning of Kandinsky 2.2."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=8,
        block_out_channels=(48, 96, 96),
        layers_per_block=1,
        down_block_types=("ResnetDownsampleBlock2D", *("SimpleCrossAttnDownBlock2D",) * 2),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=(*("SimpleCrossAttnUpBlock2D",) * 2, "ResnetUpsampleBlock2D"),
        cross_attention_dim=64,
        attention_head_dim=32,
        encoder_hid_dim=clip.WIDTH,
        encoder_hid_dim_type="image_proj",
        addition_embed_type="image",
        resnet_time_scale_shift="scale_shift",
        norm_num_groups=16,
        act_fn="silu",
    )


def build_scheduler() -> DDPMScheduler:
    """The decoder's scheduler, as in Kandinsky 2.2 but for the prediction type."""
    return DDPMScheduler(
        num_train_timesteps=TIMES,
        beta_schedule="linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        prediction_type="v_prediction",
        variance_type="learned_range",
    )


class Diffusion:
    """The forward process of a scheduler: tables over the time steps, shaped [TIMES, 1, 1, 1]."""

    def __init__(self, scheduler: DDPMScheduler, device: torch.device) -> None:
        def table(values: Tensor) -> Tensor:
            return values.to(device)[:, None, None, None]

        kept = scheduler.alphas_cumprod
        before = torch.cat([torch.ones(1), kept[:-1]])
        betas = scheduler.betas
        small = betas * (1 - before) / (1 - kept)
        # The first is zero, and has no logarithm: take the second's, as the original does.
        small = torch.cat([small[1:2], small[1:]])
        self.signal = table(kept.sqrt())
        self.noise = table((1 - kept).sqrt())
        self.mean_of_clean = table(betas * before.sqrt() / (1 - kept))
        self.log_small = table(small.log())
        self.log_large = table(betas.log())

    def losses(self, output: Tensor, clean: Tensor, noise: Tensor, times: Tensor) -> Losses:
        """Losses of a UNet's output [B, 8, h, w] for clean latents and noise [B, 4, h, w]."""
        guess, share = output.chunk(2, dim=1)
        signal, sigma = self.signal[times], self.noise[times]
        mse = F.mse_loss(guess, signal * noise - sigma * clean)
        noisy = signal * clean + sigma * noise
        # Detached: the variance must not bend the mean.
        missed = clean - (signal * noisy - sigma * guess.detach())
        gap = (self.mean_of_clean[times] * missed).square()
        small, large = self.log_small[times], self.log_large[times]
        share = (share + 1) / 2
        log_variance = share * large + (1 - share) * small
        kl = log_variance - small + (small - log_variance).exp() - 1 + gap / log_variance.exp()
        variance = (0.5 * kl).mean().clamp(max=10)
        return {"loss": mse + VARIANCE_WEIGHT * variance, "mse": mse, "variance": variance}


def run_training(work: Path, seed: int, device: torch.device, budget: Budget = BUDGET) -> Run:
    """Train the UNet under `work`/unet on what the trained CLIP and MoVQ there make of scenes."""
    torch.manual_seed(seed)
    known = dataset.training_scenes(seed)
    latents = dataset.latents(work, known, device)
    shaken = ToldEmbeddings(dataset.embeddings(work, known, device), known.scenes)
    nothing = zero_image_embedding(clip.load(work).to(device))
    diffusion = Diffusion(build_scheduler(), device)

    def measure(model: nn.Module, step: int, draws: Draws) -> Losses:
        rows = torch.tensor(known.rows(draws, BATCH), device=device)
        clean = latents[rows]
        dropped = torch.rand(BATCH, 1, generator=draws.torch) < NO_IMAGE_SHARE
        told = torch.where(dropped.to(device), nothing, shaken.draw(rows, draws))
        # One time from each of BATCH equal strata: the same mean, a calmer gradient.
        strata = torch.arange(BATCH) + torch.rand(BATCH, generator=draws.torch)
        times = (strata * TIMES / BATCH).long().clamp(max=TIMES - 1).to(device)
        noise = torch.randn(clean.shape, generator=draws.torch).to(device)
        noisy = diffusion.signal[times] * clean + diffusion.noise[times] * noise
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
