"""Latents of the pipelines are those of the original's samplers, with the same UNet."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from PIL import Image

from kandinsky2_0 import original_sampling as original
from kandinsky2_0 import tiny
from kandinsky2_0.conftest import quiet, seeded
from runner.graph.node import SchedulerSpec
from runner.kandinsky2_0 import samplings
from runner.kandinsky2_0.pipeline_kandinsky2_0 import KandinskyV20Pipeline
from runner.kandinsky2_0.pipeline_kandinsky2_0_img2img import KandinskyV20Img2ImgPipeline
from runner.kandinsky2_0.pipeline_kandinsky2_0_inpaint import KandinskyV20InpaintPipeline
from runner.pipelines.scheduler_swap import swap_scheduler

STEPS = 5
GUIDANCE = 4.0
SAMPLINGS = ["last_ddim", "release_ddim", "p_sampler"]


@pytest.fixture(scope="module")
def double(parts: dict[str, Any], unet_of_inpainting: Any) -> dict[int, dict[str, Any]]:
    """Components in float64, by the UNet's channels."""
    copied = {
        name: copy.deepcopy(part).double() if isinstance(part, torch.nn.Module) else part
        for name, part in parts.items()
    }
    return {4: copied, 9: {**copied, "unet": copy.deepcopy(unet_of_inpainting).double()}}


def with_scheduler(sampling: str) -> tuple[Any, dict[str, Any]]:
    """The scheduler and the pipelines' arguments of a sampling."""
    scheduler, given = {
        "p_sampler": (DDPMScheduler(**samplings.DDPM), {}),
        "last_ddim": (DDIMScheduler(**samplings.DDIM), {}),
        "release_ddim": (
            DDIMScheduler(**samplings.RELEASE_DDIM),
            {**samplings.RELEASE_DDIM_STEP, "eta": 0.3},
        ),
    }[sampling]
    # diffusers computes them in float32, whose rounding alone differs by 1e-5 of the latents.
    assert torch.allclose(scheduler.alphas_cumprod.double(), original.KEPT, atol=1e-6)
    scheduler.alphas_cumprod = original.KEPT
    if sampling == "last_ddim":
        scheduler.final_alpha_cumprod = original.KEPT[0]
    return scheduler, given


def reference(
    sampling: str,
    pipeline: Any,
    x: torch.Tensor,
    steps: list[int],
    generator: torch.Generator,
    *,
    beside: torch.Tensor | None = None,
    blend: original.Blend = lambda clean: clean,
) -> torch.Tensor:
    """The original's latents with the pipeline's UNet."""
    embeds = pipeline.encode_prompt("a red circle")
    told = [pipeline.text_proj(*list(embeds.values())[at : at + 3]) for at in (0, 3)]

    def predict(noisy: torch.Tensor, step: int) -> torch.Tensor:
        seen = noisy if beside is None else torch.cat([noisy, beside], 1)
        wanted, away = (pipeline.unet(seen, step, **each)[0] for each in told)
        noise = away[:, :4] + GUIDANCE * (wanted[:, :4] - away[:, :4])
        return torch.cat([noise, wanted[:, 4:]], 1)

    if sampling == "last_ddim":
        return original.last_ddim(predict, x, steps)
    if sampling == "release_ddim":
        return original.release_ddim(predict, x, steps, 0.3, generator, blend)
    return original.p_sampler(predict, x, steps, generator, blend)


def steps_of(sampling: str, number: int = STEPS) -> list[int]:
    """The original's time steps."""
    return original.p_steps(number) if sampling == "p_sampler" else original.ddim_steps(number)


def noise_of(generator: torch.Generator) -> torch.Tensor:
    """What the pipelines draw first."""
    return torch.randn((1, 4, 8, 8), generator=generator, dtype=torch.float64)


def same(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    """To the rounding of float64."""
    return bool((found - wanted).abs().max() < 1e-10 * wanted.abs().max())


@torch.no_grad()
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_text2img(double: dict[int, dict[str, Any]], sampling: str) -> None:
    scheduler, given = with_scheduler(sampling)
    pipeline = quiet(KandinskyV20Pipeline(**{**double[4], "scheduler": scheduler}))
    given |= {"guidance_scale": GUIDANCE, "output_type": "latent"}
    found = pipeline("a red circle", num_inference_steps=STEPS, generator=seeded(0), **given)
    generator = seeded(0)
    wanted = reference(sampling, pipeline, noise_of(generator), steps_of(sampling), generator)
    assert same(found.images, wanted)


@torch.no_grad()
@pytest.mark.parametrize("sampling", ["last_ddim", "release_ddim"])
def test_numbers_of_steps_that_do_not_divide_1000(
    double: dict[int, dict[str, Any]], sampling: str
) -> None:
    """The original runs more steps than it is asked."""
    steps = samplings.ddim_timesteps(7)
    assert steps == original.ddim_steps(7)
    assert (steps[0], len(steps)) == (995, 8)
    assert len(samplings.ddim_timesteps(75)) == 77
    scheduler, given = with_scheduler(sampling)
    pipeline = quiet(KandinskyV20Pipeline(**{**double[4], "scheduler": scheduler}))
    given |= {"guidance_scale": GUIDANCE, "output_type": "latent", "timesteps": steps}
    found = pipeline("a red circle", num_inference_steps=7, generator=seeded(0), **given)
    generator = seeded(0)
    wanted = reference(sampling, pipeline, noise_of(generator), steps, generator)
    assert same(found.images, wanted)


@pytest.mark.parametrize("steps", [0, 111, 501])
def test_numbers_of_steps_without_a_schedule(steps: int) -> None:
    """Of 111 steps the first would be 1000, which is none of the training's."""
    with pytest.raises(ValueError, match="no schedule"):
        samplings.ddim_timesteps(steps)


@torch.no_grad()
@pytest.mark.parametrize("sampling", ["release_ddim", "p_sampler"])
def test_img2img(double: dict[int, dict[str, Any]], picture: Image.Image, sampling: str) -> None:
    scheduler, given = with_scheduler(sampling)
    pipeline = quiet(KandinskyV20Img2ImgPipeline(**{**double[4], "scheduler": scheduler}))
    given |= {"guidance_scale": GUIDANCE, "output_type": "latent", "strength": 0.6}
    given |= {"image": picture, "num_inference_steps": STEPS}
    found = pipeline("a red circle", generator=seeded(0), **given)
    generator = seeded(0)
    clean = pipeline.encode_image(picture, 1, tiny.SIDE, tiny.SIDE, generator)
    steps = steps_of(sampling)[-3:]
    kept = original.KEPT[steps[0]]
    x = kept.sqrt() * clean + (1 - kept).sqrt() * noise_of(generator)
    assert same(found.images, reference(sampling, pipeline, x, steps, generator))


@torch.no_grad()
@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction"])
def test_inpaint(
    double: dict[int, dict[str, Any]],
    picture: Image.Image,
    mask: Image.Image,
    sampling: str,
    predicts: str,
) -> None:
    scheduler, given = with_scheduler(sampling)
    scheduler.register_to_config(prediction_type=predicts)
    pipeline = quiet(KandinskyV20InpaintPipeline(**{**double[9], "scheduler": scheduler}))
    given |= {"guidance_scale": GUIDANCE, "output_type": "latent", "num_inference_steps": STEPS}
    given |= {"image": picture, "mask_image": mask}
    found = pipeline("a red circle", generator=seeded(0), **given)

    generator = seeded(0)
    known = pipeline.encode_image(picture, 1, tiny.SIDE, tiny.SIDE, generator)
    keep = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    keep[..., :3] = 1  # four columns, one of which growing repaints
    unet = pipeline.unet
    if predicts == "v_prediction":
        pipeline.unet = lambda x, t, **given: as_noise(unet(x, t, **given)[0], x[:, :4], t)
    wanted = reference(
        sampling,
        pipeline,
        noise_of(generator),
        steps_of(sampling),
        generator,
        beside=torch.cat([known * keep, keep], 1),
        blend=lambda clean: keep * known + (1 - keep) * clean,
    )
    assert same(found.images, wanted)


def as_noise(predicted: torch.Tensor, noisy: torch.Tensor, step: int) -> tuple[torch.Tensor]:
    """v -> the noise that it means."""
    kept = original.KEPT[step]
    noise = kept.sqrt() * predicted[:, :4] + (1 - kept).sqrt() * noisy
    return (torch.cat([noise, predicted[:, 4:]], 1),)


@pytest.mark.parametrize(
    ("name", "options"), [("ddim", {}), ("ddim", {"eta": 1.0}), ("ddpm", {}), ("dpmpp_2m", {})]
)
def test_what_the_runner_swaps_in_is_right_for_the_noise_levels(
    name: str, options: dict[str, float]
) -> None:
    """With the exact prediction for normally distributed pictures these are what comes out."""
    mean, spread, steps = 0.2, 0.28, 200
    own = DDPMScheduler(**samplings.DDPM) if name == "ddpm" else tiny.ddim()
    scheduler = swap_scheduler(own, SchedulerSpec(name, tuple(options.items())))
    scheduler.set_timesteps(steps)
    generator = seeded(0)
    x = torch.randn(4, 4, 32, 32, generator=generator)
    for t in scheduler.timesteps:
        share = scheduler.alphas_cumprod[int(t)]
        told = (1 - share).sqrt() * (x - share.sqrt() * mean) / (share * spread**2 + 1 - share)
        if name == "ddpm":  # the variance of its own: the least
            told = torch.cat([told, -torch.ones_like(told)], dim=1)
        x = scheduler.step(told, t, x, generator=generator).prev_sample
    assert x.mean().item() == pytest.approx(mean, abs=0.01)
    assert x.std().item() == pytest.approx(spread, abs=0.02)
