"""The checkpoints: one function each, named after its folder."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import (
    DiffusionPipeline,
    Kandinsky3Pipeline,
    KandinskyInpaintPipeline,
    KandinskyPipeline,
    KandinskyPriorPipeline,
    KandinskyV22ControlnetPipeline,
    KandinskyV22InpaintPipeline,
    KandinskyV22Pipeline,
    KandinskyV22PriorPipeline,
)
from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessorPil

from random_weights import parts
from random_weights.filling import fill
from random_weights.tokenizers import clip_tokenizer, t5_tokenizer, xlm_roberta_tokenizer

DDPM_FOLDER = "ddpm_scheduler"
DEPTH_SIDE = 64


def kandinsky_2_1_prior(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-2-1-prior."""
    return save(prior_pipeline(KandinskyPriorPipeline, "2.1", seed), folder / "kandinsky-2-1-prior")


def kandinsky_2_1(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-2-1, with a second scheduler beside the main one."""
    unet = parts.unet("2.1/unet", seed, told="text_image")
    path = save(KandinskyPipeline(unet=unet, **others_2_1(seed)), folder / "kandinsky-2-1")
    parts.ddpm_2_1().save_pretrained(path / DDPM_FOLDER)
    return path


def kandinsky_2_1_inpaint(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-2-1-inpaint."""
    unet = parts.unet("2.1/inpaint", seed, told="text_image", in_channels=9)
    pipeline = KandinskyInpaintPipeline(unet=unet, **others_2_1(seed))
    return save(pipeline, folder / "kandinsky-2-1-inpaint")


def kandinsky_2_2_prior(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-2-2-prior."""
    pipeline = prior_pipeline(KandinskyV22PriorPipeline, "2.2", seed)
    return save(pipeline, folder / "kandinsky-2-2-prior")


def kandinsky_2_2_decoder(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-2-2-decoder."""
    unet = parts.unet("2.2/unet", seed)
    pipeline = KandinskyV22Pipeline(unet=unet, **others_2_2(seed))
    return save(pipeline, folder / "kandinsky-2-2-decoder")


def kandinsky_2_2_decoder_inpaint(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-2-2-decoder-inpaint."""
    unet = parts.unet("2.2/inpaint", seed, in_channels=9)
    others = {**others_2_2(seed), "scheduler": parts.ddpm(clip_sample=False)}
    pipeline = KandinskyV22InpaintPipeline(unet=unet, **others)
    return save(pipeline, folder / "kandinsky-2-2-decoder-inpaint")


def kandinsky_2_2_controlnet_depth(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-2-2-controlnet-depth."""
    unet = parts.unet("2.2/controlnet", seed, told="image_hint", in_channels=8)
    pipeline = KandinskyV22ControlnetPipeline(unet=unet, **others_2_2(seed))
    return save(pipeline, folder / "kandinsky-2-2-controlnet-depth")


def kandinsky_3(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-3."""
    pipeline = Kandinsky3Pipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=parts.t5_encoder("3/text", seed),
        unet=parts.unet_3("3/unet", seed),
        scheduler=parts.ddpm_3(),
        movq=parts.movq("3/movq", seed),
    )
    return save(pipeline, folder / "kandinsky-3")


@torch.no_grad()
def dpt_large(folder: Path, seed: int = 0) -> Path:
    """`folder`/dpt-large: a depth estimator for transformers."""
    config = DPTConfig(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=64,
        image_size=DEPTH_SIDE,
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[16, 16, 16, 16],
        fusion_hidden_size=16,
    )
    model = fill(DPTForDepthEstimation(config), "depth", seed)
    # Depths go through a last ReLU, which must not make them all zero.
    model.head.head[4].weight.abs_()
    path = folder / "dpt-large"
    model.save_pretrained(path, safe_serialization=True)
    side = {"height": DEPTH_SIDE, "width": DEPTH_SIDE}
    DPTImageProcessorPil(size=side).save_pretrained(path)
    # The released repository names the class that wants torchvision.
    settings = path / "preprocessor_config.json"
    content = json.loads(settings.read_text()) | {"image_processor_type": "DPTImageProcessor"}
    settings.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    return path


BUILDERS = (
    kandinsky_2_1_prior,
    kandinsky_2_1,
    kandinsky_2_1_inpaint,
    kandinsky_2_2_prior,
    kandinsky_2_2_decoder,
    kandinsky_2_2_decoder_inpaint,
    kandinsky_2_2_controlnet_depth,
    kandinsky_3,
    dpt_large,
)


def build_all(folder: Path, seed: int = 0) -> Path:
    """Every checkpoint below `folder`; equal seeds give equal bytes."""
    for build in BUILDERS:
        build(folder, seed)
    return folder


def prior_pipeline(kind: type[DiffusionPipeline], version: str, seed: int) -> DiffusionPipeline:
    """A prior of class `kind`: both versions have the same components."""
    return kind(
        prior=parts.prior(f"{version}/prior", seed),
        image_encoder=parts.clip_vision(f"{version}/vision", seed),
        text_encoder=parts.clip_text(f"{version}/text", seed),
        tokenizer=clip_tokenizer(),
        scheduler=parts.prior_scheduler(),
        image_processor=parts.image_processor(),
    )


def others_2_1(seed: int) -> dict[str, object]:
    """What the decoders of 2.1 have besides the UNet."""
    return {
        "text_encoder": parts.multilingual_clip("2.1/multilingual", seed),
        "tokenizer": xlm_roberta_tokenizer(),
        "scheduler": parts.ddim(),
        "movq": parts.movq("2.1/movq", seed),
    }


def others_2_2(seed: int) -> dict[str, object]:
    """What the decoders of 2.2 have besides the UNet."""
    return {"scheduler": parts.ddpm(), "movq": parts.movq("2.2/movq", seed)}


def save(pipeline: DiffusionPipeline, path: Path) -> Path:
    """Write a pipeline's folder."""
    pipeline.save_pretrained(path, safe_serialization=True)
    return path
