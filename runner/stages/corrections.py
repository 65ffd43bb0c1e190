"""Corrections of silent faults in diffusers' pipelines, each active during one call.

Found in diffusers 0.42.1; tests compare each with the corrected direct call.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def guided_away_from(prior: Any, text: str) -> Iterator[None]:
    """2.x prior: with a negative prompt it draws the noise of both texts as one tensor, so the
    prompt gets other noise than without (pipeline_kandinsky_prior.py, `prompt + negative_prompt`).
    Here the prompt is drawn alone, and guided away from the negative prompt as there.
    """
    encode = prior._encode_prompt

    def away(prompt: Any, device: Any, images: int, is_guided: bool, _: None) -> Any:
        return encode(prompt, device, images, is_guided, [text] * len(prompt))

    with _replaced(prior, "_encode_prompt", away):
        yield


@contextmanager
def sizes_in_order(pipeline: Any) -> Iterator[None]:
    """2.x img2img: the picture is resized to width x height where height x width is meant, so a
    non-square size ends in an error or in a transposed picture
    (pipeline_kandinsky_img2img.py, pipeline_kandinsky2_2_img2img.py,
    pipeline_kandinsky2_2_controlnet_img2img.py: `preprocess(i, width, height)`).
    """
    preprocess = pipeline.image_processor.preprocess

    def in_order(image: Any, width: int, height: int) -> torch.Tensor:
        tensor: torch.Tensor = preprocess(image, height, width)
        return tensor

    with _replaced(pipeline.image_processor, "preprocess", in_order):
        yield


@contextmanager
def noise_of_the_schedule(pipeline: Any, steps: int, steps_run: int) -> Iterator[None]:
    """2.1 img2img: noise is added by hard-coded betas (0.0001 to 0.02) at a time computed from the
    strength, not by the scheduler's betas at its first step; the sampler then assumes another
    amount of noise (pipeline_kandinsky_img2img.py, add_noise).
    """

    def add_noise(latents: torch.Tensor, noise: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        scheduler = pipeline.scheduler
        first = scheduler.timesteps[steps - steps_run :][:1]
        noisy: torch.Tensor = scheduler.add_noise(latents, noise, first)
        return noisy

    with _replaced(pipeline, "add_noise", add_noise):
        yield


@contextmanager
def mask_as_given(pipeline: Any) -> Iterator[None]:
    """2.x inpaint: the repainted area grows by a latent up, down, left, right and along one of
    the two diagonals (pipeline_kandinsky_inpaint.py, prepare_mask).
    """
    with _replaced(sys.modules[type(pipeline).__module__], "prepare_mask", lambda masks: masks):
        yield


@contextmanager
def each_text_by_itself(denoiser: Any, lengths: tuple[int, int]) -> Iterator[None]:
    """3: in one batch the shorter of two texts is padded, and the UNet averages over the padding,
    too (attention pooling of the context). Run each at its own length.

    Used where the negative prompt is the longer one, which diffusers would cut. A shorter one is
    padded to the prompt's length, as in diffusers and in the original.

    Args:
        lengths: tokens of the negative prompt and of the prompt; of all pictures of a batch.
    """
    forward = denoiser.forward

    def apart(
        sample: torch.Tensor,
        timestep: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        encoder_attention_mask: torch.Tensor,
        return_dict: bool = True,
    ) -> tuple[torch.Tensor]:
        outputs = [
            forward(
                noisy,
                timestep,
                states[:, :length],
                mask[:, :length],
                return_dict=False,
            )[0]
            for noisy, states, mask, length in zip(
                sample.chunk(2),
                encoder_hidden_states.chunk(2),
                encoder_attention_mask.chunk(2),
                lengths,
                strict=True,
            )
        ]
        return (torch.cat(outputs),)

    with _replaced(denoiser, "forward", apart):
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    own = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)
