"""The UNet of Kandinsky 3: a diffusion over the same latents, told a prompt's states and no image.

Without a prior it has to choose place and size itself, from the noise that it starts with. It
predicts v, like the other UNets here, and no variance, as in the released Kandinsky 3.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from diffusers import Kandinsky3UNet
from torch import nn

from training.captions import caption
from training.loop import Budget, Run, load_ema, train
from training.parts import dataset, texts
from training.parts.diffusion import Diffusion, build_scheduler
from training.steps import Batch, Draws, Lesson, Losses
from training.tokenizers.unigrams import t5_tokenizer

NAME = "kandinsky3"
BUDGET = Budget(steps=20000, peak_lr=1e-3, cooldown=7000, checkpoint_every=200)
NO_PROMPT_SHARE = 0.12
"""Share of the prompts replaced by masked zeros, which guidance compares with."""
VARIANCE_TYPE = "fixed_small"
ALIKE = 4
"""Of this many times as many captions, those of about one length make a batch: the UNet's pooling
sees padding too, and at inference there is none."""


def build() -> Kandinsky3UNet:
    """A fresh UNet with the four levels of Kandinsky 3, the first without attention."""
    return Kandinsky3UNet(
        time_embedding_dim=96,
        groups=16,
        attention_head_dim=16,
        layers_per_block=2,
        block_out_channels=(64, 64, 64, 64),
        cross_attention_dim=96,
        encoder_hid_dim=texts.WIDTH,
    )


def run_training(work: Path, seed: int, device: torch.device, budget: Budget = BUDGET) -> Run:
    """Train the UNet under `work`/kandinsky3 on the trained MoVQ and T5 there."""
    torch.manual_seed(seed)
    known = dataset.training_scenes(seed)
    latents = dataset.latents(work, known, device).cpu()
    reader = texts.load_t5(work).to(device)
    diffusion = Diffusion(build_scheduler(VARIANCE_TYPE), device)

    def draw(draws: Draws) -> Batch:
        rows, prompts = alike(draws, known, budget.batch)
        ids, mask = texts.T5Student.tokens(prompts)
        told = torch.rand(len(rows), 1, generator=draws.torch) >= NO_PROMPT_SHARE
        drawn = diffusion.drawn(draws, latents[rows].shape)
        return {"latents": latents[rows], "ids": ids, "mask": mask, "told": told, **drawn}

    def prepare(batch: Batch) -> Batch:
        read = reader.encode(batch.pop("ids"), batch.pop("mask"))
        mask = read.mask * batch.pop("told")
        return {**batch, "states": read.states * mask[..., None], "mask": mask}

    def measure(model: nn.Module, batch: Batch) -> Losses:
        clean, noise, times = batch["latents"], batch["noise"], batch["times"]
        noisy = diffusion.noisy(clean, noise, times)
        guess = model(noisy, times, batch["states"], batch["mask"]).sample
        return {"loss": F.mse_loss(guess, diffusion.velocity(clean, noise, times))}

    lesson = Lesson(draw, prepare, measure)
    return train(NAME, build().to(device), lesson, budget, work / NAME, seed)


def alike(draws: Draws, known: dataset.SceneSet, count: int) -> tuple[list[int], list[str]]:
    """`count` rows of scenes, and captions of them of about one length."""
    scenes = known.scenes
    rows = known.rows(draws, ALIKE * count)
    said = [caption(draws.python, scenes[row])[0] for row in rows]
    lengths = [len(ids) for ids in t5_tokenizer()(said).input_ids]
    order = sorted(range(len(rows)), key=lengths.__getitem__)
    start = draws.python.randrange(len(rows) - count + 1)
    chosen = order[start : start + count]
    return [rows[place] for place in chosen], [
        texts.capitalised(draws, said[one]) for one in chosen
    ]


def load(work: Path) -> Kandinsky3UNet:
    """The trained UNet (EMA) under `work`, frozen."""
    return cast(Kandinsky3UNet, load_ema(build(), work / NAME))
