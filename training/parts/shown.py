"""What the fine-tuned UNets of Kandinsky 2.x are shown and told in training: one function a kind.

All of it is drawn on the CPU: "latents" to draw [B, 4, 16, 16], "image_embeds" [B, D], a "hint"
[B, 3, 128, 128], the "ids" and "mask" of a prompt's tokens [B, T], and what `Repaint` names.

Where a mask or a depth picture says where things lie, the image embedding is that of another
picture of the same look: the prior, too, knows nothing of masks and hints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers import VQModel
from torch import Tensor

from training.captions import caption
from training.parts import clip, dataset, movq, texts, unet
from training.parts.told import ToldEmbeddings
from training.rendering import render, render_depth
from training.scenes import CANVAS, Scene, SceneObject
from training.steps import Batch, Draws

BLOCK = 8
"""Pixels that a latent stands for, along each side."""
SIDE = CANVAS // BLOCK
WIDEST_MARGIN = 3
"""Latents between an object and the edge of the mask that it is to be drawn in."""
FAINTEST_HINT = 0.8


class Shelf:
    """What batches are drawn from: known scenes, and the latents that the trained MoVQ under `work`
    made of them on `device`, on the CPU.
    """

    def __init__(self, work: Path, known: dataset.SceneSet, device: torch.device) -> None:
        self.work, self.known, self.scenes = work, known, known.scenes
        self.latents = dataset.latents(work, known, device).cpu()


class ToldShelf(Shelf):
    """The same with image embeddings, and that of no image."""

    def __init__(self, work: Path, known: dataset.SceneSet, device: torch.device) -> None:
        super().__init__(work, known, device)
        embeddings = dataset.embeddings(work, known, device).cpu()
        self.shaken = ToldEmbeddings(embeddings, self.scenes)
        self.nothing = unet.zero_image_embedding(clip.load(work))

    def embeddings(self, draws: Draws, rows: Sequence[int], dropped: Tensor) -> Tensor:
        """Shaken image embeddings, those of no image where `dropped`."""
        return torch.where(dropped, self.nothing, self.shaken.draw(torch.tensor(rows), draws))


def dropping(draws: Draws, count: int) -> Tensor:
    """bool [count, 1]: which pictures are drawn without being told anything."""
    return torch.rand(count, 1, generator=draws.torch) < unet.NO_IMAGE_SHARE


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
    """Scenes of which one object is to be drawn anew: latents of all of it [B, 4, 16, 16], the
    picture without it [B, 3, 128, 128], and the mask, 1 where that is kept [B, 1, 16, 16].
    """

    latents: Tensor
    before: Tensor
    kept: Tensor
    alone: list[Scene]
    twins: list[int]

    @property
    def batch(self) -> Batch:
        """The tensors, by name."""
        return {"latents": self.latents, "before": self.before, "kept": self.kept}


def repainted(shelf: Shelf, draws: Draws, count: int) -> Repaint:
    """`count` scenes with one of their objects masked out, beside others that stay."""
    rows: list[int] = []
    twins: list[int] = []
    before: list[Scene] = []
    masks: list[Tensor] = []
    alone: list[Scene] = []
    while len(rows) < count:
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
    return Repaint(shelf.latents[rows], render(before), torch.stack(masks), alone, twins)


def prepare_repainting(model: VQModel, batch: Batch) -> Batch:
    """What `Repaint` names, as an inpainting UNet sees it: "latents" of the picture as it is to be
    after, and "seen" [B, 5, 16, 16], the kept latents and the mask.
    """
    kept = batch["kept"]
    at_once = 2 if kept.device.type == "cpu" else len(kept)  # two fit a core's cache
    pictures = torch.split(batch["before"], at_once)
    source = torch.cat([movq.encode(model, few) for few in pictures])
    others = {key: value for key, value in batch.items() if key not in ("before", "kept")}
    return {
        **others,
        "latents": kept * source + (1 - kept) * batch["latents"],
        "seen": torch.cat([source * kept, kept], dim=1),
    }


def show_inpaint(shelf: ToldShelf, draws: Draws, count: int) -> Batch:
    """Kandinsky 2.2's inpainting."""
    drawn = repainted(shelf, draws, count)
    told = shelf.embeddings(draws, drawn.twins, dropping(draws, count))
    return {**drawn.batch, "image_embeds": told}


def show_controlnet(shelf: ToldShelf, draws: Draws, count: int) -> Batch:
    """Kandinsky 2.2 with a depth picture: what lies where is the picture's to say."""
    rows = shelf.known.rows(draws, count)
    looks = [shelf.known.twin(draws, row) for row in rows]
    strength = torch.rand(count, 1, 1, 1, generator=draws.torch) * (1 - FAINTEST_HINT)
    depth = render_depth([shelf.scenes[row] for row in rows]).repeat(1, 3, 1, 1)
    return {
        "latents": shelf.latents[rows],
        "image_embeds": shelf.embeddings(draws, looks, dropping(draws, count)),
        "hint": depth * (FAINTEST_HINT + strength),
    }


def prompts(draws: Draws, scenes: Sequence[Scene], dropped: Tensor) -> Batch:
    """Tokens of the scenes' captions, of "" where `dropped`, as 2.1's decoder reads them."""
    said = ["" if drop else texts.capitalised(draws, caption(draws.python, scene)[0])
            for scene, drop in zip(scenes, dropped.flatten().tolist(), strict=True)]  # fmt: skip
    ids, mask = texts.MultilingualStudent.tokens(said)
    return {"ids": ids, "mask": mask}


def show_2_1(shelf: ToldShelf, draws: Draws, count: int) -> Batch:
    """Kandinsky 2.1, which reads the prompt beside the image embedding."""
    rows, dropped = shelf.known.rows(draws, count), dropping(draws, count)
    said = prompts(draws, [shelf.scenes[row] for row in rows], dropped)
    told = shelf.embeddings(draws, rows, dropped)
    return {"latents": shelf.latents[rows], "image_embeds": told, **said}


def show_inpaint_2_1(shelf: ToldShelf, draws: Draws, count: int) -> Batch:
    """Kandinsky 2.1's inpainting."""
    drawn, dropped = repainted(shelf, draws, count), dropping(draws, count)
    said = prompts(draws, drawn.alone, dropped)
    told = shelf.embeddings(draws, drawn.twins, dropped)
    return {**drawn.batch, "image_embeds": told, **said}
