"""Writes the trained parts as two folders in the layout of diffusers, weights in float16."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from diffusers import KandinskyV22Pipeline, KandinskyV22PriorPipeline
from torch import nn
from transformers import CLIPImageProcessorPil

from runner.mini.known import known_in_training
from runner.mini.training import clip, movq, polish, prior, texts, unet
from runner.mini.training.diffusion import build_scheduler
from runner.mini.training.loop import CHECKPOINT
from runner.mini.training.tokenizer import build_tokenizer

PRIOR_FOLDER = "kandinsky-2-2-prior"
DECODER_FOLDER = "kandinsky-2-2-decoder"
DECODER_2_1_FOLDER = "kandinsky-2-1"
KANDINSKY_3_FOLDER = "kandinsky-3"

Model = TypeVar("Model", bound=nn.Module)


def run_export(work: Path, weights: Path, *, allow_untrained: bool = False) -> None:
    """Write both folders of the family into `weights` from the checkpoints in `work`.

    Each folder is replaced at once: a reader sees the old one or the new one, complete. Parts
    without a checkpoint raise FileNotFoundError, or are written as initialised if
    `allow_untrained`.
    """

    def part(name: str, build: Callable[[], Model], load: Callable[[Path], Model]) -> Model:
        if allow_untrained and not (work / name / CHECKPOINT).exists():
            print(f"export: {name} is untrained", flush=True)
            return build().eval()
        return load(work)

    torch.manual_seed(0)
    encoders = part(clip.NAME, clip.Encoders, clip.load)
    image_processor = CLIPImageProcessorPil(
        size={"shortest_edge": clip.IMAGE_SIDE},
        crop_size={"height": clip.IMAGE_SIDE, "width": clip.IMAGE_SIDE},
        image_mean=list(clip.IMAGE_MEAN),
        image_std=list(clip.IMAGE_STD),
    )
    prior_pipeline = KandinskyV22PriorPipeline(
        prior=part(prior.NAME, prior.build, prior.load).half(),
        image_encoder=encoders.vision.half(),
        text_encoder=encoders.text.half(),
        tokenizer=build_tokenizer(),
        scheduler=prior.build_scheduler(),
        image_processor=image_processor,
    )
    polished = (work / polish.NAME / CHECKPOINT).exists()
    autoencoder = (
        (polish.NAME, movq.build, polish.load) if polished else (movq.NAME, movq.build, movq.load)
    )
    decoder_pipeline = KandinskyV22Pipeline(
        unet=part(unet.NAME, unet.build, unet.load).half(),
        scheduler=build_scheduler(),
        movq=part(*autoencoder).half(),
    )
    export_texts(work, weights)
    replace_folder(prior_pipeline, weights / PRIOR_FOLDER)
    replace_folder(decoder_pipeline, weights / DECODER_FOLDER)
    known_in_training().write(weights)


def export_texts(work: Path, weights: Path) -> None:
    """Write the text encoders of 2.1's decoder and of 3 that are trained, each where it belongs."""
    for name, load, folder in (
        (texts.MULTILINGUAL, texts.load_multilingual, DECODER_2_1_FOLDER),
        (texts.T5, texts.load_t5, KANDINSKY_3_FOLDER),
    ):
        if (work / name / CHECKPOINT).exists():
            encoder = load(work).encoder.half()
            encoder.save_pretrained(weights / folder / "text_encoder")
            load_as_float32(weights / folder / "text_encoder" / "config.json")


def replace_folder(
    pipeline: KandinskyV22PriorPipeline | KandinskyV22Pipeline, folder: Path
) -> None:
    """Save a pipeline next to `folder`, then rename it into place."""
    fresh, old = (folder.with_name(f".{folder.name}.{state}") for state in ("new", "old"))
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    pipeline.save_pretrained(fresh, safe_serialization=True)
    for config in fresh.glob("*/config.json"):
        load_as_float32(config)
    for file in fresh.rglob("*.safetensors"):
        file.chmod(0o644)  # safetensors writes files that only their owner can read
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_as_float32(config: Path) -> None:
    """Name float32 as the default type of a transformers model.

    transformers would otherwise load the type of the file, diffusers loads float32: mixed.
    """
    content = json.loads(config.read_text())
    if "dtype" in content:
        content["dtype"] = "float32"
        config.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
