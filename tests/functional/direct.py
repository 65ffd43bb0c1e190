"""Direct calls of diffusers for every cell, and of the runner's own pipelines of 2.0, written
independently of its stages.

Where diffusers is wrong its call is corrected here, with the reason; `naive` leaves it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import diffusers
import numpy as np
import torch
from diffusers.image_processor import VaeImageProcessor

from functional.asked import (
    DECODERS,
    INPUTS,
    NEGATIVE_STRENGTH,
    PRIOR_STRENGTH,
    PRIORS,
    PROMPT,
    SCHEDULERS,
    STEPS,
    STRENGTH,
    WEIGHTS,
    Ask,
    Pictures,
    Pixels,
    generator,
    generators,
    hint_tensor,
    opened,
    pixels,
)
from random_weights.loading import arguments
from runner.kandinsky2_0.pipeline_kandinsky2_0 import KandinskyV20Pipeline
from runner.kandinsky2_0.pipeline_kandinsky2_0_img2img import KandinskyV20Img2ImgPipeline
from runner.kandinsky2_0.pipeline_kandinsky2_0_inpaint import KandinskyV20InpaintPipeline

OWN: dict[str, Any] = {
    each.__name__: each
    for each in (KandinskyV20Pipeline, KandinskyV20Img2ImgPipeline, KandinskyV20InpaintPipeline)
}
"""Pipelines that diffusers lacks."""
LOADED_AS = {
    folder: OWN[kind]
    for kind, folder in DECODERS.values()
    if kind in ("KandinskyV20Pipeline", "KandinskyV20InpaintPipeline")
}
COMBINED = ("text2img", "img2img", "inpaint")


class Direct:
    """Direct calls; every checkpoint is loaded once and its modules are shared."""

    def __init__(self, weights: Path) -> None:
        self.weights = weights
        self._loaded: dict[str, Any] = {}

    def pipeline(self, kind: str, folder: str, scheduler: str = "checkpoint") -> Any:
        """A new pipeline object, as diffusers has it, with a scheduler of its own."""
        loaded = self._modules(folder)
        pipeline = (OWN.get(kind) or getattr(diffusers, kind))(**loaded.components)
        pipeline.scheduler = self._scheduler(folder, scheduler)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def combined(self, ask: Ask, *, naive: bool = False) -> Any:
        """diffusers' combined pipeline of a task of 2.x."""
        kind, folder = DECODERS[ask.version, ask.task]
        prior = self._modules(PRIORS[ask.version][1]).components
        modules = dict(self._modules(folder).components)
        modules["scheduler"] = self._scheduler(folder, ask.scheduler)
        modules |= {f"prior_{name}": part for name, part in prior.items()}
        combined = getattr(diffusers, kind.replace("Pipeline", "CombinedPipeline"))(**modules)
        combined.set_progress_bar_config(disable=True)
        if not naive:
            mended(combined.decoder_pipe, ask)
        return combined

    def decoder(self, ask: Ask, *, naive: bool = False) -> Any:
        """The decoder of a task."""
        pipeline = self.pipeline(*DECODERS[ask.version, ask.task], ask.scheduler)
        return pipeline if naive else mended(pipeline, ask)

    def prior(
        self,
        ask: Ask,
        text: str | list[str],
        given: torch.Generator | list[torch.Generator],
        away_from: str | None = None,
        **more: Any,
    ) -> Any:
        """Embeddings of a text. `away_from`: guided away from this and not from the empty text."""
        kind, folder = PRIORS[ask.version]
        if "image" in more:
            kind = "KandinskyV22PriorEmb2EmbPipeline"
        pipeline = self.pipeline(kind, folder)
        if away_from is not None:
            encode = pipeline._encode_prompt
            pipeline._encode_prompt = lambda *given: encode(*given[:4], [away_from])
        asked = {"num_inference_steps": STEPS, "guidance_scale": ask.guidance, **more}
        return pipeline(text, **asked, generator=given)

    def embeddings(
        self,
        ask: Ask,
        pictures: Pictures,
        given: Iterator[torch.Generator],
        *,
        naive: bool = False,
    ) -> Any:
        """What the decoder of 2.x is told."""
        if ask.task == "interpolate":
            return (self._interpolated if naive else self._mixed)(ask, pictures, given)
        if ask.task != "controlnet_img2img":
            if naive or ask.negative is None:
                return dict(self.prior(ask, ask.prompt, next(given), negative_prompt=ask.negative))
            # In one call the negative prompt would change the noise of the prompt's embedding.
            told = dict(self.prior(ask, ask.prompt, next(given), ask.negative))
            negative = self.prior(ask, ask.negative, generator(), guidance_scale=1.0)
            return told | {"negative_image_embeds": negative.image_embeds}
        # The order of diffusers' guide: the prompt, the negative prompt, then the decoder.
        image = opened(pictures["image"])
        both = dict(self.prior(ask, ask.prompt, next(given), image=image, strength=PRIOR_STRENGTH))
        if ask.negative is not None:
            # With a generator of its own, the negative prompt leaves the decoder's noise alone.
            negative = self.prior(
                ask, ask.negative, next(given) if naive else generator(), image=image,
                strength=NEGATIVE_STRENGTH,
            )  # fmt: skip
            both["negative_image_embeds"] = negative.image_embeds
        return both

    def draw(self, ask: Ask, pictures: Pictures, *, naive: bool = False) -> Pixels:
        """The picture."""
        if naive and ask.seeding == "shared" and ask.task in COMBINED:
            return self.draw_combined(ask, pictures, naive=True)
        given = generators(ask.seeding)
        scale, arguments = ask.guidance, dict[str, Any]()
        if ask.version in PRIORS:
            arguments = self.embeddings(ask, pictures, given, naive=naive)
        if ask.version != "2_2":
            arguments |= {"prompt": ask.prompt, "negative_prompt": ask.negative}
        if ask.version == "3" and ask.guidance > 1 and not naive:
            scale -= 1  # diffusers computes text + g * (text - uncond): one less than on 2.x
        if (ask.version, ask.task) == ("2_0", "inpaint"):
            arguments["grow_mask"] = naive
        decoder = self.decoder(ask, naive=naive)
        with nullcontext() if naive else mask_as_it_is(decoder):
            output = decoder(
                **arguments, **inputs(ask, pictures), num_inference_steps=STEPS,
                guidance_scale=scale, generator=next(given),
            )  # fmt: skip
        return pixels(output.images[0])

    def draw_combined(self, ask: Ask, pictures: Pictures, *, naive: bool = False) -> Pixels:
        """The picture of diffusers' combined pipeline."""
        combined = self.combined(ask, naive=naive)
        with nullcontext() if naive else mask_as_it_is(combined.decoder_pipe):
            output = combined(
                ask.prompt, negative_prompt=ask.negative, **inputs(ask, pictures),
                num_inference_steps=STEPS, prior_num_inference_steps=STEPS, generator=generator(),
                guidance_scale=ask.guidance, prior_guidance_scale=ask.guidance,
            )  # fmt: skip
        return pixels(output.images[0])

    @torch.no_grad()
    def each_text_by_itself(self, ask: Ask) -> Pixels:
        """Kandinsky 3 text2img with a loop of our own: diffusers cuts a negative prompt that is
        longer than the prompt, and in one batch with it would fill the prompt up.
        """
        pipeline = self.decoder(ask)
        texts = []
        for text in (ask.negative, ask.prompt):
            states, _, mask, _ = pipeline.encode_prompt(text, False, _cut_context=True)
            texts.append((states, mask.bool()))
        given = generator()
        latents = torch.randn((1, 4, ask.height // 8, ask.width // 8), generator=given)
        pipeline.scheduler.set_timesteps(STEPS)
        for time in pipeline.scheduler.timesteps:
            negative, positive = (
                pipeline.unet(latents, time, states, encoder_attention_mask=mask)[0]
                for states, mask in texts
            )
            noise = ask.guidance * positive - (ask.guidance - 1) * negative
            latents = pipeline.scheduler.step(noise, time, latents, generator=given).prev_sample
        decoded = pipeline.movq.decode(latents, force_not_quantize=True).sample
        levels = (decoded * 0.5 + 0.5).clamp(0, 1)[0].permute(1, 2, 0).numpy() * 255
        return np.asarray(levels.round(), dtype=np.int16)

    @torch.no_grad()
    def _mixed(self, ask: Ask, pictures: Pictures, given: Iterator[torch.Generator]) -> Any:
        text = self.prior(ask, PROMPT, next(given))
        pipeline = self.pipeline(*PRIORS[ask.version])
        image = pipeline.image_processor(opened(pictures["image"]), return_tensors="pt")
        seen = pipeline.image_encoder(image.pixel_values).image_embeds
        negative = text.negative_image_embeds
        if ask.negative is not None:
            negative = self.prior(ask, ask.negative, generator()).image_embeds
        mix = WEIGHTS[0] * text.image_embeds + WEIGHTS[1] * seen
        return {"image_embeds": mix, "negative_image_embeds": negative}

    def _interpolated(
        self, ask: Ask, pictures: Pictures, given: Iterator[torch.Generator]
    ) -> dict[str, Any]:
        found = self.pipeline(*PRIORS[ask.version]).interpolate(
            [PROMPT, opened(pictures["image"])], list(WEIGHTS), num_inference_steps=STEPS,
            guidance_scale=ask.guidance, negative_prompt=ask.negative or "", generator=next(given),
        )  # fmt: skip
        return dict(found)

    def _modules(self, folder: str) -> Any:
        if folder not in self._loaded:
            general = diffusers.DiffusionPipeline
            self._loaded[folder] = LOADED_AS.get(folder, general).from_pretrained(
                self.weights / folder, **arguments(folder)
            )
        return self._loaded[folder]

    def _scheduler(self, folder: str, name: str) -> Any:
        own = self._modules(folder).scheduler
        if name == "checkpoint":
            return type(own).from_config(own.config)
        if name == "ddpm" and (self.weights / folder / "ddpm_scheduler").is_dir():
            return SCHEDULERS[name].from_pretrained(self.weights / folder / "ddpm_scheduler")
        config = dict(own.config)
        if type(own) is not SCHEDULERS[name]:
            # Only DDPM knows what to do with the variance that the UNet predicts; where the config
            # still names it, diffusers hands it on to the others.
            config.pop("variance_type", None)
        if name == "dpmpp_2m" and config["beta_schedule"] == "squaredcos_cap_v2":
            # As its documentation asks for: the cosine schedule begins at no signal at all.
            config["lambda_min_clipped"] = -5.1
        return SCHEDULERS[name].from_config(config)


def inputs(ask: Ask, pictures: Pictures) -> dict[str, Any]:
    """Sizes and pictures."""
    names = INPUTS.get(ask.task, ())
    given: dict[str, Any] = {"height": ask.height, "width": ask.width}
    if ask.version == "3" and "image" in names:
        given = {}  # it takes the picture's own size
    if "image" in names:
        given["image"] = opened(pictures["image"])
    if ask.task in ("img2img", "controlnet_img2img"):
        given["strength"] = STRENGTH
    if "mask" in names:
        given["mask_image"] = opened(pictures["mask"], "L")
    if "hint" in names:
        given["hint"] = hint_tensor(pictures["hint"])
    return given


def mended(pipeline: Any, ask: Ask) -> Any:
    """img2img of 2.x put right."""
    if ask.task in ("img2img", "controlnet_img2img") and ask.version in PRIORS:
        # diffusers resizes to width x height where height x width is meant. The tests' pictures
        # have the right size already, so without resizing there is nothing to swap.
        pipeline.image_processor = VaeImageProcessor(vae_scale_factor=8, do_resize=False)
        if ask.version == "2_1":
            pipeline.add_noise = _noise_of(pipeline)
    return pipeline


def _noise_of(pipeline: Any) -> Any:
    def add_noise(latents: torch.Tensor, noise: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        # diffusers takes the noise level from other betas than the ones it then samples with.
        first = pipeline.scheduler.timesteps[STEPS - int(STEPS * STRENGTH)]
        kept = pipeline.scheduler.alphas_cumprod[first]
        return torch.add(kept**0.5 * latents, (1 - kept) ** 0.5 * noise)

    return add_noise


def mask_as_it_is(pipeline: Any) -> AbstractContextManager[Any]:
    """diffusers repaints up to a latent more than the mask says, in six of eight directions."""
    module = sys.modules[type(pipeline).__module__]
    if not hasattr(module, "prepare_mask"):
        return nullcontext()
    return patch.object(module, "prepare_mask", lambda masks: masks)
