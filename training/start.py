"""Starts training from trained weights instead of from nothing: `train ... --start-from FOLDER`."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from training.export import (
    CONTROLNET_FOLDER,
    DECODER_2_1_FOLDER,
    DECODER_FOLDER,
    DEPTH_FOLDER,
    INPAINT_2_0_FOLDER,
    INPAINT_2_1_FOLDER,
    INPAINT_FOLDER,
    KANDINSKY_2_0_FOLDER,
    KANDINSKY_3_FOLDER,
    PRIOR_FOLDER,
)
from training.loop import CHECKPOINT, Run, save_checkpoint
from training.parts import (
    clip,
    depth,
    fine_tunes,
    kandinsky2_0,
    kandinsky3,
    kl,
    movq,
    prior,
    texts,
    unet,
)
from training.parts.texts import MultilingualStudent, T5Student

DIFFUSERS, TRANSFORMERS = "diffusion_pytorch_model.safetensors", "model.safetensors"


UNET_FOLDERS = {
    fine_tunes.INPAINT.name: INPAINT_FOLDER,
    fine_tunes.CONTROLNET.name: CONTROLNET_FOLDER,
    fine_tunes.UNET_2_1.name: DECODER_2_1_FOLDER,
    fine_tunes.INPAINT_2_1.name: INPAINT_2_1_FOLDER,
}
FOLDERS_2_0 = {
    kandinsky2_0.NAME: KANDINSKY_2_0_FOLDER,
    kandinsky2_0.INPAINT: INPAINT_2_0_FOLDER,
}


def start_from(weights: Path, work: Path) -> None:
    """Give every part without a checkpoint in `work` one at step 0, with the weights of an
    exported family.

    What is not exported (the encoders' throw-away heads) starts fresh.
    """
    for name, model in loaded(weights).items():
        path = work / name / CHECKPOINT
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            optimizer = torch.optim.AdamW(model.parameters())
            save_checkpoint(Run(name, model, model, 0, 0.0, []), optimizer, path)


def loaded(weights: Path) -> dict[str, nn.Module]:
    """The parts of an exported family, by name, in float32; of the later ones those it has."""
    prior_folder, decoder_folder = weights / PRIOR_FOLDER, weights / DECODER_FOLDER
    encoders = clip.Encoders()
    fill(encoders.text, prior_folder / "text_encoder" / TRANSFORMERS)
    fill(encoders.vision, prior_folder / "image_encoder" / TRANSFORMERS)
    parts: dict[str, nn.Module] = {clip.NAME: encoders}
    for name, model, file in (
        (prior.NAME, prior.build(), prior_folder / "prior" / DIFFUSERS),
        (movq.NAME, movq.build(), decoder_folder / "movq" / DIFFUSERS),
        (unet.NAME, unet.build(), decoder_folder / "unet" / DIFFUSERS),
    ):
        fill(model, file)
        parts[name] = model
    for name, model, file in (
        *((kind, fine_tunes.fresh(kind), weights / folder / "unet" / DIFFUSERS)
          for kind, folder in UNET_FOLDERS.items()),
        (kandinsky3.NAME, kandinsky3.build(), weights / KANDINSKY_3_FOLDER / "unet" / DIFFUSERS),
        (depth.NAME, depth.build(), weights / DEPTH_FOLDER / TRANSFORMERS),
        (kl.NAME, kl.build(), weights / KANDINSKY_2_0_FOLDER / "vae" / DIFFUSERS),
    ):  # fmt: skip
        if file.exists():
            fill(model, file)
            parts[name] = model
    for name, folder in FOLDERS_2_0.items():
        if (weights / folder).exists():
            denoiser = kandinsky2_0.fresh(name)
            for part in ("unet", "text_proj"):
                fill(getattr(denoiser, part), weights / folder / part / DIFFUSERS)
            parts[name] = denoiser
    students: tuple[tuple[str, MultilingualStudent | T5Student, str], ...] = (
        (texts.MULTILINGUAL, MultilingualStudent(), DECODER_2_1_FOLDER),
        (texts.T5, T5Student(), KANDINSKY_3_FOLDER),
    )
    for name, student, folder in students:
        path = weights / folder / "text_encoder"
        if path.exists():
            # Not `fill`: T5's file leaves out embeddings that it ties.
            kept = type(student.encoder).from_pretrained(path, dtype=torch.float32)
            student.encoder.load_state_dict(kept.state_dict())
            parts[name] = student
    return parts


def fill(model: nn.Module, file: Path) -> None:
    """Load weights that must fit."""
    model.load_state_dict(load_file(file))
