"""What the fine-tuned UNets of Kandinsky 2.x are shown and told in training: one function a kind.

Where a mask or a depth picture says where things lie, the image embedding is that of another
picture of the same look: the prior, too, knows nothing of masks and hints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from diffusers import VQModel
from torch import Tensor

from training.captions import caption
from training.loop import Draws
from training.parts import clip, dataset, movq, texts, unet
from training.parts.told import ToldEmbeddings
from training.rendering import render, render_depth
from training.scenes import CANVAS, Scene, SceneObject

BLOCK = 8
"""Pixels that a latent stands for, along each side."""
SIDE = CANVAS // BLOCK
WIDEST_MARGIN = 3
"""Latents between an object and the edge of the mask that it is to be drawn in."""
FAINTEST_HINT = 0.8


@dataclass(frozen=True)
class Shown:
    """A batch: the latents to draw [B, 4, 16, 16], what the UNet sees beside their noisy form
    [B, C, 16, 16], hidden states of a prompt [B, T, D], and `added_cond_kwargs`.
    """

    clean: Tensor
    told: dict[str, Tensor]
    seen: Tensor | None = None
    states: Tensor | None = None


class Shelf:
    """What all kinds draw their batches from: the trained parts under `work`, and known scenes."""

    def __init__(self, work: Path, known: dataset.SceneSet, device: torch.device) -> None:
        self.work, self.known, self.device = work, known, device
        self.scenes = known.scenes
        self.latents = dataset.latents(work, known, device)

    @cached_property
    def shaken(self) -> ToldEmbeddings:
        """Image embeddings of the known scenes."""
        embeddings = dataset.embeddings(self.work, self.known, self.device)
        return ToldEmbeddings(embeddings, self.scenes)

    @cached_property
    def nothing(self) -> Tensor:
        """The image embedding [1, clip.WIDTH] of no image."""
        return unet.zero_image_embedding(clip.load(self.work).to(self.device))

    @cached_property
    def movq(self) -> VQModel:
        """Encodes what is drawn for the occasion."""
        return movq.load(self.work).to(self.device)

    @cached_property
    def reader(self) -> texts.MultilingualStudent:
        """Reads prompts as 2.1's decoder does."""
        return texts.load_multilingual(self.work).to(self.device)

    def embeddings(self, draws: Draws, rows: Sequence[int], dropped: Tensor) -> Tensor:
        """Shaken image embeddings, those of no image where `dropped`."""
        drawn = self.shaken.draw(torch.tensor(rows, device=self.device), draws)
        return torch.where(dropped.to(self.device), self.nothing, drawn)

    def encode(self, scenes: Sequence[Scene]) -> Tensor:
        """Latents of scenes drawn for the occasion."""
        pictures = torch.split(render(scenes).to(self.device), 2)
        with torch.no_grad():
            return torch.cat([movq.encode(self.movq, few) for few in pictures])


def dropping(draws: Draws) -> Tensor:
    """bool [BATCH, 1]: which pictures are drawn without being told anything."""
    return torch.rand(unet.BATCH, 1, generator=draws.torch) < unet.NO_IMAGE_SHARE


def without(scene: Scene, thing: SceneObject) -> Scene:
    """The scene before the object was put there."""
    return replace(scene, objects=tuple(o for o in scene.objects if o is not thing), relation=None)


def kept_around(draws: Draws, thing: SceneObject) -> Tensor:
    """Mask [1, 16, 16], 0 in a box around an object and 1 where the picture is kept."""
    kept = torch.ones(1, SIDE, SIDE)

    def span(centre: float) -> slice:
        margins = [draws.python.randrange(WIDEST_MARGIN + 1) for _ in range(2)]
        low = int((centre - thing.radius) // BLOCK) - margins[0]
        high = int(-(-(centre + thing.radius) // BLOCK)) + margins[1]
        return slice(max(low, 0), min(high, SIDE))

    kept[:, span(thing.y), span(thing.x)] = 0
    return kept


@dataclass(frozen=True)
class Repaint:
    """Scenes of which one object is to be drawn anew."""

    clean: Tensor
    seen: Tensor
    alone: list[Scene]
    twins: list[int]


def repainted(shelf: Shelf, draws: Draws) -> Repaint:
    """BATCH scenes with one of their objects masked out, beside others that stay."""
    rows: list[int] = []
    twins: list[int] = []
    before: list[Scene] = []
    masks: list[Tensor] = []
    alone: list[Scene] = []
    while len(rows) < unet.BATCH:
        (row,) = shelf.known.rows(draws, 1)
        scene = shelf.scenes[row]
        thing = draws.python.choice(scene.objects)
        lone = replace(scene, objects=(thing,), relation=None)
        alike = shelf.known.looks.get(lone.combinations[0])
        if scene.relation == "inside" or alike is None:
            continue
        rows.append(row)
        twins.append(draws.python.choice(alike))
        before.append(without(scene, thing))
        masks.append(kept_around(draws, thing))
        alone.append(lone)
    kept = torch.stack(masks).to(shelf.device)
    source = shelf.encode(before)
    clean = kept * source + (1 - kept) * shelf.latents[rows]
    return Repaint(clean, torch.cat([source * kept, kept], dim=1), alone, twins)


def show_inpaint(shelf: Shelf, draws: Draws) -> Shown:
    """Kandinsky 2.2's inpainting."""
    drawn = repainted(shelf, draws)
    told = {"image_embeds": shelf.embeddings(draws, drawn.twins, dropping(draws))}
    return Shown(drawn.clean, told, seen=drawn.seen)


def show_controlnet(shelf: Shelf, draws: Draws) -> Shown:
    """Kandinsky 2.2 with a depth picture: what lies where is the picture's to say."""
    rows = shelf.known.rows(draws, unet.BATCH)
    scenes = [shelf.scenes[row] for row in rows]
    looks = [shelf.known.twin(draws, row) for row in rows]
    strength = torch.rand(len(rows), 1, 1, 1, generator=draws.torch) * (1 - FAINTEST_HINT)
    hint = render_depth(scenes).repeat(1, 3, 1, 1) * (FAINTEST_HINT + strength)
    told = {
        "image_embeds": shelf.embeddings(draws, looks, dropping(draws)),
        "hint": hint.to(shelf.device),
    }
    return Shown(shelf.latents[rows], told)


def prompts(shelf: Shelf, draws: Draws, scenes: Sequence[Scene], dropped: Tensor) -> texts.Told:
    """Captions of the scenes, "" where `dropped`, as 2.1's decoder reads them."""
    said = ["" if drop else texts.capitalised(draws, caption(draws.python, scene)[0])
            for scene, drop in zip(scenes, dropped.flatten().tolist(), strict=True)]  # fmt: skip
    with torch.no_grad():
        return shelf.reader.read(said, padding="max_length")


def show_2_1(shelf: Shelf, draws: Draws) -> Shown:
    """Kandinsky 2.1, which reads the prompt beside the image embedding."""
    rows, dropped = shelf.known.rows(draws, unet.BATCH), dropping(draws)
    read = prompts(shelf, draws, [shelf.scenes[row] for row in rows], dropped)
    told = {"image_embeds": shelf.embeddings(draws, rows, dropped), "text_embeds": read.pooled}
    return Shown(shelf.latents[rows], told, states=read.states)


def show_inpaint_2_1(shelf: Shelf, draws: Draws) -> Shown:
    """Kandinsky 2.1's inpainting."""
    drawn, dropped = repainted(shelf, draws), dropping(draws)
    read = prompts(shelf, draws, drawn.alone, dropped)
    embeddings = shelf.embeddings(draws, drawn.twins, dropped)
    told = {"image_embeds": embeddings, "text_embeds": read.pooled}
    return Shown(drawn.clean, told, drawn.seen, read.states)
