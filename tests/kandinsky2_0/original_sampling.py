"""The samplers of the original Kandinsky 2.0, as its code computes, in float64."""

from __future__ import annotations

from collections.abc import Callable

import torch

Predict = Callable[[torch.Tensor, int], torch.Tensor]
"""Noisy latents and a time step -> guided noise and variance, [B, 8, h, w]."""
Blend = Callable[[torch.Tensor], torch.Tensor]

KEPT = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
"""The share of the picture that is left at each time step."""


def ddim_steps(number: int) -> list[int]:
    """Time steps of its DDIM, falling."""
    return [step + 1 for step in range(0, 1000, 1000 // number)][::-1]


def p_steps(number: int) -> list[int]:
    """Time steps of its `p_sampler`, falling."""
    return [round(i * 999 / (number - 1)) for i in range(number)][::-1]


def thresholded(clean: torch.Tensor) -> torch.Tensor:
    """Dynamic thresholding at 99.5 %; of one picture."""
    largest = torch.quantile(clean.abs().flatten(), 0.995).clamp(min=1)
    return clean.clamp(-largest, largest) / largest


def last_ddim(predict: Predict, x: torch.Tensor, steps: list[int]) -> torch.Tensor:
    """`ddim_sampler` of the last code."""
    for step, after in zip(steps, [*steps[1:], 0], strict=True):
        noise = predict(x, step)[:, :4]
        clean = (x - (1 - KEPT[step]).sqrt() * noise) / KEPT[step].sqrt()
        x = KEPT[after].sqrt() * clean + (1 - KEPT[after]).sqrt() * noise
    return x


def release_ddim(
    predict: Predict,
    x: torch.Tensor,
    steps: list[int],
    eta: float,
    generator: torch.Generator,
    blend: Blend = lambda clean: clean,
) -> torch.Tensor:
    """`ddim_sampler` of November 2022."""
    one = torch.ones((), dtype=torch.float64)
    for number, step in enumerate(steps):
        here = KEPT[step]
        then = KEPT[steps[number + 1]] if number + 1 < len(steps) else one
        clean = (x - (1 - here).sqrt() * predict(x, step)[:, :4]) / here.sqrt()
        clean = thresholded(blend(thresholded(clean)))
        noise = (x - here.sqrt() * clean) / (1 - here).sqrt()
        spread = eta * ((1 - then) / (1 - here) * (1 - here / then)).sqrt()
        x = then.sqrt() * clean + (1 - then - spread**2).sqrt() * noise
        x = x + spread * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    return x


def p_sampler(
    predict: Predict,
    x: torch.Tensor,
    steps: list[int],
    generator: torch.Generator,
    blend: Blend = lambda clean: clean,
) -> torch.Tensor:
    """`p_sampler` of both, on the respaced schedule."""
    one = torch.ones((), dtype=torch.float64)
    for number, step in enumerate(steps):
        here = KEPT[step]
        then = KEPT[steps[number + 1]] if number + 1 < len(steps) else one
        predicted = predict(x, step)
        clean = (x - (1 - here).sqrt() * predicted[:, :4]) / here.sqrt()
        clean = thresholded(blend(thresholded(clean)))
        beta = 1 - here / then
        mean = beta * then.sqrt() / (1 - here) * clean
        x = mean + (1 - then) * (1 - beta).sqrt() / (1 - here) * x
        if step > 0:
            share = (predicted[:, 4:] + 1) / 2
            smallest = (beta * (1 - then) / (1 - here)).log()
            deviation = (0.5 * (share * beta.log() + (1 - share) * smallest)).exp()
            x = x + deviation * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    return x
