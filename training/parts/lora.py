"""A LoRA for the UNet of 2.2, which teaches it what the family is never shown: a striped ground.

The UNet is told the embedding of the plain picture, and learns to draw the striped one: so the
prompt still says all of what is drawn, and the LoRA how. With a part of the LoRA's weight it learns
to draw as much less of the stripes, so that they grow evenly with the weight.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from diffusers import UNet2DConditionModel
from torch import nn

from training.loop import Budget, Run, load_ema, train
from training.parts import clip, dataset, unet
from training.parts.diffusion import Diffusion, build_scheduler, stratified_times
from training.parts.told import ToldEmbeddings
from training.rendering import render_striped
from training.steps import Draws, Losses

NAME, FILE = "lora_stripes", "stripes.safetensors"
BUDGET = Budget(steps=1600, peak_lr=2e-3, cooldown=1600, weight_decay=0.0, batch=16)
TWO_OBJECTS = 2000
"""Scenes of two objects: fewer than the UNet itself learns from, whose drawing is kept."""
RANK = 4
LAYERS = ["conv_in", "conv1", "conv2", "to_q", "to_k", "to_v", "to_out.0", "add_k_proj",
          "add_v_proj"]  # fmt: skip
"""Ends of the names of the layers that it changes: those that diffusers' script for 2.2 trains, and
the convolutions, without which nothing knows where in the picture a stripe lies."""


ADAPTER = "default"
WHOLE_SHARE = 0.5
"""Of the steps with all of the LoRA's weight; in the others it is any part."""


def with_lora(model: UNet2DConditionModel) -> UNet2DConditionModel:
    """The model with a fresh LoRA, which alone learns."""
    from peft import LoraConfig  # here: no other part needs it

    model.requires_grad_(False)
    model.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=LAYERS), ADAPTER)
    return model


def weigh(model: nn.Module, weight: float) -> None:
    """Multiply the LoRA's part by a weight, as who draws with it may."""
    from peft.tuners.lora import LoraLayer

    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            layer.set_scale(ADAPTER, weight)


def run_training(work: Path, seed: int, device: torch.device, budget: Budget = BUDGET) -> Run:
    """Train the LoRA under `work`/lora_stripes on the trained CLIP, MoVQ and UNet there."""
    torch.manual_seed(seed)
    known = dataset.training_scenes(seed, TWO_OBJECTS)
    plain = dataset.latents(work, known, device)
    named = replace(known, name=f"{known.name}-striped")
    striped = dataset.latents(work, named, device, render_striped)
    shaken = ToldEmbeddings(dataset.embeddings(work, known, device), known.scenes)
    nothing = unet.zero_image_embedding(clip.load(work).to(device))
    diffusion = Diffusion(build_scheduler(), device)

    def measure(model: nn.Module, step: int, draws: Draws) -> Losses:
        rows = known.rows(draws, budget.batch)
        is_whole = draws.python.random() < WHOLE_SHARE
        weight = 1.0 if is_whole else draws.python.random()
        weigh(model, weight)
        clean = torch.lerp(plain[rows], striped[rows], weight)
        dropped = torch.rand(len(rows), 1, generator=draws.torch) < unet.NO_IMAGE_SHARE
        drawn = shaken.draw(torch.tensor(rows, device=device), draws)
        told = torch.where(dropped.to(device), nothing, drawn)
        times = stratified_times(draws, len(rows)).to(device)
        noise = torch.randn(clean.shape, generator=draws.torch).to(device)
        noisy = diffusion.noisy(clean, noise, times)
        output = model(noisy, times, None, added_cond_kwargs={"image_embeds": told}).sample
        return diffusion.losses(output, clean, noise, times)

    model = with_lora(unet.load(work)).to(device)
    return train(NAME, model, measure, budget, work / NAME, seed)


def save(work: Path, folder: Path) -> None:
    """Write the trained LoRA into `folder`, in float16, as diffusers writes and reads one."""
    load(work).half().save_lora_adapter(folder, weight_name=FILE)


def load(work: Path) -> UNet2DConditionModel:
    """The UNet with the trained LoRA (EMA) under `work`, frozen."""
    return cast(UNet2DConditionModel, load_ema(with_lora(unet.build()), work / NAME))
