"""The other UNets of Kandinsky 2.x, each taught further from one that can draw already.

| part | of | sees besides the noisy latents | is told |
|---|---|---|---|
| inpaint | 2.2 | what is kept, and where | an image embedding |
| controlnet | 2.2 | a depth picture | an image embedding |
| unet_2_1 | 2.1 | | an image embedding and a prompt |
| inpaint_2_1 | 2.1 | what is kept, and where | an image embedding and a prompt |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from diffusers import UNet2DConditionModel
from torch import nn

from training.loop import Budget, Run, load_ema, train
from training.parts import clip, dataset, movq, texts, unet
from training.parts.diffusion import Diffusion, build_scheduler
from training.parts.shown import (
    ToldShelf,
    prepare_repainting,
    show_2_1,
    show_controlnet,
    show_inpaint,
    show_inpaint_2_1,
)
from training.steps import Batch, Draws, Lesson, Losses

LATENTS = 4
TOLD = ("image_embeds", "hint", "text_embeds")
"""What a UNet of 2.x is told by `added_cond_kwargs`."""
SHORT = Budget(steps=4000, peak_lr=6e-4, cooldown=2500, checkpoint_every=200)
LONG = Budget(steps=8000, peak_lr=1e-3, cooldown=4000, checkpoint_every=200)


@dataclass(frozen=True)
class Kind:
    """A UNet, what it is shown, and the trained part whose weights it starts from."""

    name: str
    start: str
    show: Callable[[ToldShelf, Draws, int], Batch]
    budget: Budget = SHORT
    told: str = "image"
    in_channels: int = LATENTS


INPAINT = Kind("inpaint", unet.NAME, show_inpaint, in_channels=2 * LATENTS + 1)
CONTROLNET = Kind("controlnet", unet.NAME, show_controlnet, told="image_hint", in_channels=8)
UNET_2_1 = Kind("unet_2_1", unet.NAME, show_2_1, LONG, told="text_image")
INPAINT_2_1 = Kind(
    "inpaint_2_1", UNET_2_1.name, show_inpaint_2_1, told="text_image", in_channels=2 * LATENTS + 1
)
KINDS = {kind.name: kind for kind in (INPAINT, CONTROLNET, UNET_2_1, INPAINT_2_1)}


def build(kind: Kind) -> UNet2DConditionModel:
    """A fresh UNet of the kind."""
    if kind.told == "text_image":
        return unet.build(
            in_channels=kind.in_channels,
            cross_attention_dim=clip.WIDTH,  # as wide as an image embedding, says 2.1
            encoder_hid_dim=texts.WIDTH,
            encoder_hid_dim_type="text_image_proj",
            addition_embed_type="text_image",
        )
    return unet.build(in_channels=kind.in_channels, addition_embed_type=kind.told)


@torch.no_grad()
def warm_start(model: nn.Module, trained: nn.Module) -> None:
    """Take over every weight that fits; of the first convolution, what reads the noisy latents,
    so that what else it sees counts for nothing at first.
    """
    own, given = model.state_dict(), trained.state_dict()
    fits = {key: t for key, t in given.items() if key in own and own[key].shape == t.shape}
    first = own["conv_in.weight"].zero_()
    shared = min(first.shape[1], given["conv_in.weight"].shape[1])
    first[:, :shared] = given["conv_in.weight"][:, :shared]
    model.load_state_dict({**own, **fits, "conv_in.weight": first})


def run_training(
    name: str, work: Path, seed: int, device: torch.device, budget: Budget | None = None
) -> Run:
    """Train a kind under `work`/`name` on the trained parts there.

    Raises:
        FileNotFoundError: what it starts from is not trained yet.
    """
    torch.manual_seed(seed)
    kind = KINDS[name]
    budget = budget or kind.budget
    shelf = ToldShelf(work, dataset.training_scenes(seed), device)
    diffusion = Diffusion(build_scheduler(), device)
    encoder = movq.load(work).to(device)
    reader = texts.load_multilingual(work).to(device) if kind.told == "text_image" else None
    model = build(kind)
    warm_start(model, load(kind.start, work))

    def draw(draws: Draws) -> Batch:
        batch = kind.show(shelf, draws, budget.batch)
        return {**batch, **diffusion.drawn(draws, batch["latents"].shape)}

    def prepare(batch: Batch) -> Batch:
        if "kept" in batch:
            batch = prepare_repainting(encoder, batch)
        if reader is not None:
            read = reader.encode(batch.pop("ids"), batch.pop("mask"))
            batch |= {"states": read.states, "text_embeds": read.pooled}
        return batch

    def measure(model: nn.Module, batch: Batch) -> Losses:
        told = {key: value for key, value in batch.items() if key in TOLD}
        clean, noise, times = batch["latents"], batch["noise"], batch["times"]
        noisy = diffusion.noisy(clean, noise, times)
        if "seen" in batch:
            noisy = torch.cat([noisy, batch["seen"]], dim=1)
        output = model(noisy, times, batch.get("states"), added_cond_kwargs=told).sample
        return diffusion.losses(output, clean, noise, times)

    lesson = Lesson(draw, prepare, measure)
    return train(name, model.to(device), lesson, budget, work / name, seed)


def load(name: str, work: Path) -> UNet2DConditionModel:
    """A trained UNet (EMA) under `work`, frozen: one of `KINDS`, or that of 2.2."""
    return cast(UNet2DConditionModel, load_ema(fresh(name), work / name))


def fresh(name: str) -> UNet2DConditionModel:
    """An untrained UNet: one of `KINDS`, or that of 2.2."""
    return build(KINDS[name]) if name in KINDS else unet.build()
