"""The denoiser of Kandinsky 2.0: a UNet that is told what two text encoders make of a prompt.

There is no prior and no image embedding: like Kandinsky 3 it chooses place and size itself. It goes
on from the UNet of 2.1, whose blocks it has; its noise schedule is that of the released 2.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn

from runner.kandinsky2_0.text_projection import KandinskyV20TextProjection
from training.captions import caption
from training.loop import Budget, Run, load_ema, train
from training.parts import clip, dataset, fine_tunes, kl, movq, texts, unet
from training.parts.diffusion import TIMES, Diffusion
from training.parts.shown import Shelf, prepare_repainting, repainted
from training.scenes import Scene
from training.steps import Batch, Draws, Lesson, Losses
from training.tokenizers.unigrams import XLM_ROBERTA_TOKENS

NAME, INPAINT = "kandinsky2_0", "inpaint_2_0"
BUDGETS = {
    NAME: Budget(steps=16000, peak_lr=1e-3, cooldown=7000, checkpoint_every=200),
    INPAINT: Budget(steps=4000, peak_lr=6e-4, cooldown=2500, checkpoint_every=200),
}
NO_PROMPT_SHARE = 0.12
"""Share of the prompts replaced by "", which guidance compares with."""
WIDTH = 48
"""Of the UNet's first level; its time embedding is four times as wide."""
SPREAD = 0.29
"""Standard deviation of the latents, scaled as the UNet sees them."""


class Read(NamedTuple):
    """What both encoders make of prompts: the arguments of the text projection."""

    states: Tensor
    states_2: Tensor
    pooled: Tensor


class Readers:
    """The trained text encoders under `work`: those of 2.1 and of 3."""

    def __init__(self, work: Path, device: torch.device) -> None:
        self.first = texts.load_multilingual(work).to(device)
        self.second = texts.load_t5(work).to(device)

    @staticmethod
    def tokens(prompts: list[str]) -> Batch:
        """Prompts as both read them, padded to 77 tokens each."""
        ids, mask = texts.MultilingualStudent.tokens(prompts)
        ids_2, mask_2 = texts.T5Student.tokens(prompts, "max_length", XLM_ROBERTA_TOKENS)
        return {"ids": ids, "mask": mask, "ids_2": ids_2, "mask_2": mask_2}

    @torch.no_grad()
    def read(self, batch: Batch) -> Read:
        """What both make of `tokens`."""
        first = self.first.encode(batch["ids"], batch["mask"])
        second = self.second.encode(batch["ids_2"], batch["mask_2"])
        return Read(first.states, second.states, first.pooled)


class Denoiser(nn.Module):
    """What is trained: the UNet, and the projection of what the text encoders say."""

    def __init__(self, in_channels: int = fine_tunes.LATENTS) -> None:
        super().__init__()
        self.text_proj = KandinskyV20TextProjection(
            text_dim=texts.WIDTH,
            pooled_dim=clip.WIDTH,
            text_dim_2=texts.WIDTH,
            cross_attention_dim=clip.WIDTH,
            time_embed_dim=4 * WIDTH,
            pooling_heads=4,
        )
        self.unet = unet.build(
            in_channels=in_channels,
            cross_attention_dim=clip.WIDTH,
            encoder_hid_dim=None,
            encoder_hid_dim_type=None,
            addition_embed_type=None,
            class_embed_type="identity",
        )

    def forward(self, noisy: Tensor, times: Tensor, read: Read) -> Tensor:
        """Predict v and the share of the variance: [B, 8, h, w]."""
        states, added = self.text_proj(*read, return_dict=False)
        return cast(Tensor, self.unet(noisy, times, states, class_labels=added).sample)


def build_scheduler() -> DDPMScheduler:
    """DDPM with the noise levels of the released 2.0, and its thresholding."""
    return DDPMScheduler(
        num_train_timesteps=TIMES,
        beta_schedule="linear",
        beta_start=1e-4,
        beta_end=0.02,
        clip_sample=False,
        prediction_type="v_prediction",
        variance_type="learned_range",
        timestep_spacing="linspace",
        thresholding=True,
        dynamic_thresholding_ratio=0.995,
        sample_max_value=1e9,
    )


def run_training(
    name: str, work: Path, seed: int, device: torch.device, budget: Budget | None = None
) -> Run:
    """Train the denoiser under `work`/`name` on the trained parts there."""
    torch.manual_seed(seed)
    budget = budget or BUDGETS[name]
    shelf = Shelf(work, dataset.training_scenes(seed), device)
    readers = Readers(work, device)
    encoder = movq.load(work).to(device)
    diffusion = Diffusion(build_scheduler(), device)
    model = fresh(name)
    warm_start(model, name, work)

    def draw(draws: Draws) -> Batch:
        shown, scenes = SHOW[name](shelf, draws, budget.batch)
        said = readers.tokens(captions(draws, scenes))
        return {**shown, **said, **diffusion.drawn(draws, shown["latents"].shape)}

    def prepare(batch: Batch) -> Batch:
        if "kept" in batch:
            batch = prepare_repainting(encoder, batch)
            batch["seen"][:, : fine_tunes.LATENTS] *= kl.SHARE
        batch["latents"] = batch["latents"] * kl.SHARE
        return {**batch, **readers.read(batch)._asdict()}

    def measure(model: nn.Module, batch: Batch) -> Losses:
        clean, noise, times = batch["latents"], batch["noise"], batch["times"]
        noisy = diffusion.noisy(clean, noise, times)
        if "seen" in batch:
            noisy = torch.cat([noisy, batch["seen"]], dim=1)
        output = model(noisy, times, Read(*(batch[key] for key in Read._fields)))
        return diffusion.losses(output, clean, noise, times, SPREAD)

    lesson = Lesson(draw, prepare, measure)
    return train(name, model.to(device), lesson, budget, work / name, seed)


def show_whole(shelf: Shelf, draws: Draws, count: int) -> tuple[Batch, Sequence[Scene]]:
    """Pictures to draw, and what the prompts are about."""
    rows = shelf.known.rows(draws, count)
    return {"latents": shelf.latents[rows]}, [shelf.scenes[row] for row in rows]


def show_repainted(shelf: Shelf, draws: Draws, count: int) -> tuple[Batch, Sequence[Scene]]:
    """Pictures with one object to draw anew, which the prompts are about."""
    drawn = repainted(shelf, draws, count)
    return drawn.batch, drawn.alone


SHOW = {NAME: show_whole, INPAINT: show_repainted}


def captions(draws: Draws, scenes: Sequence[Scene]) -> list[str]:
    """Captions of the scenes, now and then none."""
    said = [texts.capitalised(draws, caption(draws.python, scene)[0]) for scene in scenes]
    return ["" if draws.python.random() < NO_PROMPT_SHARE else text for text in said]


def warm_start(model: Denoiser, name: str, work: Path) -> None:
    """Take over what was trained: for inpainting all of the base, for the base 2.1's UNet."""
    if name == INPAINT:
        base = load(NAME, work)
        model.text_proj.load_state_dict(base.text_proj.state_dict())
        fine_tunes.warm_start(model.unet, base.unet)
    else:
        fine_tunes.warm_start(model.unet, fine_tunes.load(fine_tunes.UNET_2_1.name, work))


def fresh(name: str) -> Denoiser:
    """An untrained denoiser."""
    return Denoiser(2 * fine_tunes.LATENTS + 1 if name == INPAINT else fine_tunes.LATENTS)


def load(name: str, work: Path) -> Denoiser:
    """A trained denoiser (EMA) under `work`, frozen."""
    return cast(Denoiser, load_ema(fresh(name), work / name))
