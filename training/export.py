"""Writes the trained parts as folders in the layout of diffusers, weights in float16.

What several checkpoints share is stored in one of them (`runner.weights.shared`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    DDPMScheduler,
    Kandinsky3Pipeline,
    KandinskyInpaintPipeline,
    KandinskyPipeline,
    KandinskyPriorPipeline,
    KandinskyV22ControlnetPipeline,
    KandinskyV22InpaintPipeline,
    KandinskyV22Pipeline,
    KandinskyV22PriorPipeline,
)

from runner.kandinsky2_0.pipeline_kandinsky2_0 import KandinskyV20Pipeline
from runner.kandinsky2_0.pipeline_kandinsky2_0_inpaint import KandinskyV20InpaintPipeline
from training.components import Parts
from training.known import known_in_training
from training.parts import (
    clip,
    depth,
    fine_tunes,
    kandinsky2_0,
    kandinsky3,
    kl,
    lora,
    movq,
    prior,
    texts,
    unet,
)
from training.parts.diffusion import build_scheduler

PRIOR_FOLDER = "kandinsky-2-2-prior"
DECODER_FOLDER = "kandinsky-2-2-decoder"
INPAINT_FOLDER = "kandinsky-2-2-decoder-inpaint"
CONTROLNET_FOLDER = "kandinsky-2-2-controlnet-depth"
PRIOR_2_1_FOLDER = "kandinsky-2-1-prior"
DECODER_2_1_FOLDER = "kandinsky-2-1"
INPAINT_2_1_FOLDER = "kandinsky-2-1-inpaint"
KANDINSKY_2_0_FOLDER = "kandinsky-2-0"
INPAINT_2_0_FOLDER = "kandinsky-2-0-inpaint"
KANDINSKY_3_FOLDER = "kandinsky-3"
DEPTH_FOLDER = "dpt-large"
LORAS_FOLDER = "loras"
DDPM_FOLDER = "ddpm_scheduler"
SHARED_FILE = "shared.json"
"""Which component lies in which other folder; read by `runner.weights.shared`."""

PRIOR_PARTS = ("prior", "image_encoder", "text_encoder", "tokenizer", "scheduler",
               "image_processor")  # fmt: skip
SHARED_MOVQ = {"movq": f"{DECODER_FOLDER}/movq"}
READS_2_0 = {
    "tokenizer": f"{DECODER_2_1_FOLDER}/tokenizer",
    "text_encoder": f"{DECODER_2_1_FOLDER}/text_encoder",
    "text_encoder_2": f"{KANDINSKY_3_FOLDER}/text_encoder",
}
"""2.0 reads with the encoders of 2.1 and of 3."""
NEEDS_2_0 = (kl.NAME, kandinsky2_0.NAME, fine_tunes.UNET_2_1.name, texts.T5, kandinsky3.NAME)


@dataclass(frozen=True)
class Folder:
    """A checkpoint of the family: its pipeline's class, what it needs trained, and its components;
    of these, `shared` lie in the folder that is named. `ddpm` makes the scheduler that lies beside
    the pipeline's own.
    """

    name: str
    pipeline: Any
    needs: tuple[str, ...]
    components: Callable[[Parts], dict[str, Any]]
    shared: Mapping[str, str] = field(default_factory=dict)
    ddpm: Callable[[], DDPMScheduler] | None = None


FOLDERS = (
    Folder(PRIOR_FOLDER, KandinskyV22PriorPipeline, (clip.NAME, prior.NAME), Parts.prior),
    Folder(
        DECODER_FOLDER, KandinskyV22Pipeline, (movq.NAME, unet.NAME),
        lambda parts: parts.decoder(unet.NAME),
    ),
    Folder(
        INPAINT_FOLDER, KandinskyV22InpaintPipeline, (fine_tunes.INPAINT.name,),
        lambda parts: parts.decoder(fine_tunes.INPAINT.name), SHARED_MOVQ,
    ),
    Folder(
        CONTROLNET_FOLDER, KandinskyV22ControlnetPipeline, (fine_tunes.CONTROLNET.name,),
        lambda parts: parts.decoder(fine_tunes.CONTROLNET.name), SHARED_MOVQ,
    ),
    Folder(
        PRIOR_2_1_FOLDER, KandinskyPriorPipeline, (fine_tunes.UNET_2_1.name,), Parts.prior,
        {name: f"{PRIOR_FOLDER}/{name}" for name in PRIOR_PARTS},
    ),
    Folder(
        DECODER_2_1_FOLDER, KandinskyPipeline, (fine_tunes.UNET_2_1.name,),
        lambda parts: parts.decoder_2_1(fine_tunes.UNET_2_1.name), SHARED_MOVQ, build_scheduler,
    ),
    Folder(
        INPAINT_2_1_FOLDER, KandinskyInpaintPipeline, (fine_tunes.INPAINT_2_1.name,),
        lambda parts: parts.decoder_2_1(fine_tunes.INPAINT_2_1.name),
        SHARED_MOVQ
        | {name: f"{DECODER_2_1_FOLDER}/{name}" for name in ("text_encoder", "tokenizer")},
    ),
    Folder(
        KANDINSKY_3_FOLDER, Kandinsky3Pipeline, (texts.T5, kandinsky3.NAME), Parts.kandinsky_3,
        SHARED_MOVQ,
    ),
    Folder(
        KANDINSKY_2_0_FOLDER, KandinskyV20Pipeline, NEEDS_2_0,
        lambda parts: parts.kandinsky_2_0(kandinsky2_0.NAME), READS_2_0,
        kandinsky2_0.build_scheduler,
    ),
    Folder(
        INPAINT_2_0_FOLDER, KandinskyV20InpaintPipeline, (*NEEDS_2_0, kandinsky2_0.INPAINT),
        lambda parts: parts.kandinsky_2_0(kandinsky2_0.INPAINT),
        READS_2_0
        | {name: f"{KANDINSKY_2_0_FOLDER}/{name}"
           for name in ("tokenizer_2", "vae", "scheduler", DDPM_FOLDER)},
        kandinsky2_0.build_scheduler,
    ),
)  # fmt: skip
"""The first two are the family's core; the others are written once they are trained."""
CORE = FOLDERS[:2]


def run_export(
    work: Path, weights: Path, *, allow_untrained: bool = False, only: Collection[str] = ()
) -> None:
    """Write the family's folders into `weights` from the checkpoints in `work`.

    Each folder is replaced at once: a reader sees the old one or the new one, complete. Parts of
    the core without a checkpoint raise FileNotFoundError; with `allow_untrained`, every folder is
    written, its untrained parts as initialised.

    Args:
        only: names of the folders that are written, and nothing beside them; empty: all. Those of
            parts that were trained before need not come out with the same bytes.

    Raises:
        FileNotFoundError: parts that are needed have no checkpoint.
    """
    torch.manual_seed(0)
    parts = Parts(work, allow_untrained=allow_untrained)
    needed = only or {folder.name for folder in CORE}
    for folder in FOLDERS:
        can = allow_untrained or all(map(parts.trained, folder.needs))
        if folder.name in needed or (can and not only):
            pipeline = folder.pipeline(**folder.components(parts))
            replace_folder(weights / folder.name, partial(save_pipeline, pipeline, folder))
    if only:
        return
    if allow_untrained or parts.trained(depth.NAME):
        estimator = parts.part(depth.NAME, depth.build, depth.load)
        replace_folder(weights / DEPTH_FOLDER, partial(save_depth, estimator))
    if parts.trained(lora.NAME):
        replace_folder(weights / LORAS_FOLDER, partial(lora.save, work))
    known_in_training().write(weights)


def save_pipeline(pipeline: Any, folder: Folder, path: Path) -> None:
    """Write a pipeline's folder, without what lies in others."""
    pipeline.save_pretrained(path, safe_serialization=True)
    if folder.ddpm is not None:
        folder.ddpm().save_pretrained(path / DDPM_FOLDER)
    for component in folder.shared:
        shutil.rmtree(path / component)
    if folder.shared:
        (path / SHARED_FILE).write_text(json.dumps(dict(folder.shared), indent=2) + "\n")


def save_depth(estimator: Any, path: Path) -> None:
    """Write the depth estimator's folder."""
    estimator.save_pretrained(path, safe_serialization=True)
    depth.build_processor().save_pretrained(path)


def replace_folder(folder: Path, save: Callable[[Path], None]) -> None:
    """Save next to `folder`, then rename it into place."""
    fresh, old = (folder.with_name(f".{folder.name}.{state}") for state in ("new", "old"))
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    save(fresh)
    for config in fresh.rglob("config.json"):
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
