"""The config sections that no group option sets."""

from __future__ import annotations

from dataclasses import dataclass

from runner.catalog.quantization import METHODS, NONE
from runner.config.choices import LoraRole
from runner.config.groups import (
    GUIDANCE,
    STEPS,
)
from runner.config.keys import key

STRENGTH = "a number above 0, up to 1"
LORAS = "a list of {path: ..., weight: ..., role: ...}"


@dataclass
class PriorConfig:
    num_inference_steps: int = key(25, "Denoising steps of the prior.", takes=STEPS.format(2))
    guidance_scale: float = key(
        4.0, "How strongly the prior follows the prompt. 1 or less: no guidance.", takes=GUIDANCE
    )
    strength: float = key(
        0.85,
        "How far the prior goes from the embedding of `inputs.image`; for "
        "`task=controlnet_img2img`.",
        takes=STRENGTH,
    )
    negative_strength: float = key(
        1.0, "The same for the negative prompt's embedding.", takes=STRENGTH
    )


@dataclass
class DecoderConfig:
    num_inference_steps: int = key(100, "Denoising steps of the decoder.", takes=STEPS.format(1))
    guidance_scale: float = key(
        4.0,
        "How strongly the decoder follows its embeddings; one number means the same for all "
        "versions. 1 or less: no guidance. Kandinsky 3 takes none above 1 and up to 2.",
        takes=GUIDANCE,
    )


QUANTIZED = ", ".join((NONE, *METHODS))


@dataclass
class QuantizeConfig:
    """In how few bits the weights of modules are kept; they compute in their `precision`."""

    text: str = key(NONE, "The text encoders, in whichever checkpoint they are.", takes=QUANTIZED)
    prior: str = key(NONE, "The prior's transformer (Kandinsky 2.1, 2.2).", takes=QUANTIZED)
    denoiser: str = key(NONE, "The decoder's UNet or transformer.", takes=QUANTIZED)


@dataclass
class InputsConfig:
    """Pictures by path; by URL only with `allow_urls`."""

    image: str | None = key(
        None, "Picture to start from; which tasks take it: see `task`.", path=True
    )
    mask: str | None = key(
        None,
        "Mask of `task=inpaint`, of the picture's own size: white is repainted, black is kept.",
        path=True,
    )
    mask_box: list[int] | None = key(
        None,
        "Rectangle to repaint instead of a mask, in pixels of the given picture.",
        takes="[x0,y0,x1,y1]",
    )
    mask_invert: bool = key(False, "Repaint the other part: black, or what is outside of the box.")
    hint: str | None = key(
        None,
        "Depth picture of the ControlNet tasks. null: estimated from `inputs.image`.",
        path=True,
    )
    allow_urls: bool = key(False, "Let pictures be http(s) addresses, and download them.")


@dataclass
class LoraConfig:
    """A LoRA: small weights that are added to those of a model."""

    path: str | None = key(
        None,
        "A safetensors file, a folder or a repository of the hub (`owner/name`) that holds one, or "
        "`mini:NAME`, one of the small family.",
        path=True,
    )
    file: str | None = key(None, "Its name in the folder or repository, where that holds several.")
    revision: str | None = key(
        None, "Branch, tag or commit of the repository. null: its main branch."
    )
    weight: float = key(
        1.0,
        "What its part is multiplied by. 0: as without it. An axis of a sweep: "
        "`lora.0.weight=0,0.5,1`.",
        takes="a finite number",
    )
    role: LoraRole = key(
        LoraRole.decoder, "The model that it changes; which versions have it: see docs/lora.md."
    )


@dataclass
class ItemConfig:
    """An item of a mix: a text or a picture, and its share."""

    text: str | None = key(None, "A text to mix; either this or `image`.")
    image: str | None = key(None, "A picture to mix.", path=True)
    weight: float | None = key(
        None,
        "Its share. All shares add up to 1. null: an equal part of what the others leave.",
        takes="a finite number",
    )


@dataclass
class InterpolateConfig:
    items: list[ItemConfig] = key(
        list,
        "What `task=interpolate` mixes, two or more.",
        takes="a list of {text: ..., weight: ...} and {image: ..., weight: ...}",
    )
