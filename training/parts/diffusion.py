"""The forward process that every UNet of the family learns to turn back, and its losses.

All predict v, not the noise as the released Kandinskys do: at this size that learns backgrounds and
colours several times sooner. The schedulers' configs say so.
"""

from __future__ import annotations

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from training.steps import Batch, Draws, Losses

TIMES = 1000
VARIANCE_WEIGHT = 0.1


def build_scheduler(variance_type: str = "learned_range") -> DDPMScheduler:
    """A decoder's scheduler, as in Kandinsky 2.2 but for the prediction type."""
    return DDPMScheduler(
        num_train_timesteps=TIMES,
        beta_schedule="linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        prediction_type="v_prediction",
        variance_type=variance_type,
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

    def noisy(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Clean latents and noise [B, C, h, w], mixed as at `times` [B]."""
        return self.signal[times] * clean + self.noise[times] * noise

    @staticmethod
    def drawn(draws: Draws, shape: torch.Size) -> Batch:
        """Times and noise for clean latents of a shape, on the CPU."""
        times = stratified_times(draws, shape[0])
        return {"times": times, "noise": torch.randn(shape, generator=draws.torch)}

    def velocity(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """v (Salimans and Ho 2022), what the UNets predict."""
        return self.signal[times] * noise - self.noise[times] * clean

    def losses(
        self, output: Tensor, clean: Tensor, noise: Tensor, times: Tensor, spread: float = 1.0
    ) -> Losses:
        """Losses of a UNet's output [B, 8, h, w] for clean latents and noise [B, 4, h, w].

        Four channels predict v, four the variance between DDPM's two bounds (Nichol and Dhariwal
        2021, "learned range"). `spread` is the latents' standard deviation: with it, each time
        counts as much as any other.
        """
        guess, share = output.chunk(2, dim=1)
        power = self.signal[times].square() + (self.noise[times] * spread).square()
        mse = ((guess - self.velocity(clean, noise, times)).square() / power).mean()
        noisy = self.noisy(clean, noise, times)
        # Detached: the variance must not bend the mean.
        missed = clean - (self.signal[times] * noisy - self.noise[times] * guess.detach())
        gap = (self.mean_of_clean[times] * missed).square()
        small, large = self.log_small[times], self.log_large[times]
        share = (share + 1) / 2
        log_variance = share * large + (1 - share) * small
        kl = log_variance - small + (small - log_variance).exp() - 1 + gap / log_variance.exp()
        variance = (0.5 * kl).mean().clamp(max=10)
        return {"loss": mse + VARIANCE_WEIGHT * variance, "mse": mse, "variance": variance}


def stratified_times(draws: Draws, count: int) -> Tensor:
    """int64 [count], one time from each of `count` equal strata: uniform, a calmer gradient."""
    strata = torch.arange(count) + torch.rand(count, generator=draws.torch)
    return (strata * TIMES / count).long().clamp(max=TIMES - 1)
