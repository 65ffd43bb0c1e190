"""Scenes drawn once, with their image embeddings and latents kept in files.

Encoding a picture costs more than a step of the prior and about as much as one of the UNet, so
all parts learn from the same few ten thousand scenes, encoded once. A file is made anew when the
encoder that made it has trained on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from random import Random

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from runner.mini.vocabulary import HELD_OUT, Combination, all_combinations
from training.loop import CHECKPOINT
from training.parts import clip, movq
from training.rendering import render
from training.scenes import Scene, lattice, sample_scene
from training.steps import Draws

TWO_OBJECTS = 20_000
SHARES = {None: 0.3, "beside": 0.25, "inside": 0.45}
"""How often a lone object is learnt from, two beside each other, and one inside another, which
takes the longest to learn."""
CHUNK = 64
Paint = Callable[[Sequence[Scene]], Tensor]


@dataclass(frozen=True)
class SceneSet:
    """Scenes to learn from: those of one object first, then those of two.

    No two sets share a name, which stands for them in files.
    """

    name: str
    one: tuple[Scene, ...]
    two: tuple[Scene, ...]

    @cached_property
    def scenes(self) -> tuple[Scene, ...]:
        """All of them; rows of encoded tensors follow this order."""
        return self.one + self.two

    @cached_property
    def layouts(self) -> dict[str | None, list[int]]:
        """Rows by how many objects lie how."""
        rows: dict[str | None, list[int]] = {name: [] for name in SHARES}
        for row, scene in enumerate(self.scenes):
            relation = "beside" if scene.relation not in (None, "inside") else scene.relation
            rows[relation].append(row)
        return {name: found for name, found in rows.items() if found}

    def rows(self, draws: Draws, count: int) -> list[int]:
        """Rows of `count` scenes, of each layout as often as `SHARES` says."""
        rng, layouts = draws.python, self.layouts
        weights = [SHARES[name] for name in layouts]
        return [rng.choice(rows) for rows in rng.choices(tuple(layouts.values()), weights, k=count)]

    @cached_property
    def looks(self) -> dict[Combination, list[int]]:
        """Rows of lone objects by what they look like."""
        rows: dict[Combination, list[int]] = defaultdict(list)
        for row, scene in enumerate(self.one):
            rows[scene.combinations[0]].append(row)
        return rows

    def twin(self, draws: Draws, row: int) -> int:
        """The row of a lone object that looks the same, anywhere; of two objects, `row` itself."""
        scene = self.scenes[row]
        same = self.looks[scene.combinations[0]] if len(scene.objects) == 1 else [row]
        return draws.python.choice(same)


def training_scenes(seed: int, two_objects: int = TWO_OBJECTS) -> SceneSet:
    """Each object at every place of the lattice, and a seed's choice of two; nothing held out."""
    one = tuple(
        placed
        for combination in all_combinations()
        if combination not in HELD_OUT
        for placed in lattice(combination)
    )
    rng = Random(f"scenes/{seed}")
    two = tuple(sample_scene(rng, two_share=1) for _ in range(two_objects))
    return SceneSet(f"scenes-{seed}-{two_objects}", one, two)


def embeddings(work: Path, scenes: SceneSet, device: torch.device) -> Tensor:
    """CLIP image embeddings of the scenes: float32 [N, clip.WIDTH], on `device`."""
    encoders = clip.load(work).to(device)
    return encoded(work, clip.NAME, scenes, device, encoders.embed_images)


def latents(work: Path, scenes: SceneSet, device: torch.device, paint: Paint = render) -> Tensor:
    """Normalised MoVQ latents of the scenes: float32 [N, 4, 16, 16], on `device`.

    Args:
        paint: makes pictures of scenes; each paints sets of other names.
    """
    model = movq.load(work).to(device)
    at_once = 2 if device.type == "cpu" else CHUNK  # two fit a core's cache: 2.4 times faster

    def encode(images: Tensor) -> Tensor:
        return torch.cat([movq.encode(model, few) for few in torch.split(images, at_once)])

    return encoded(work, movq.NAME, scenes, device, encode, paint)


@torch.no_grad()
def encoded(
    work: Path,
    part: str,
    scenes: SceneSet,
    device: torch.device,
    encode: Callable[[Tensor], Tensor],
    paint: Paint = render,
) -> Tensor:
    """Encode the scenes in chunks, or read the file of an earlier call with the same encoder."""
    checkpoint = sha256((work / part / CHECKPOINT).read_bytes()).hexdigest()
    origin = {"checkpoint": checkpoint, "scenes": scenes.name}
    path = work / "dataset" / f"{part}-{scenes.name}.safetensors"
    if path.exists():
        with safe_open(path, framework="pt") as file:
            if file.metadata() == origin:
                tensor: Tensor = file.get_tensor("encoded")
                return tensor.to(device)
    every = scenes.scenes
    size = len(every)
    chunks = []
    for start in range(0, size, CHUNK):
        some = encode(paint(every[start : start + CHUNK]).to(device))
        chunks.append(some.cpu().contiguous())
        if start % (50 * CHUNK) == 0:
            print(f"{part}: encoded {start}/{size}", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".tmp")
    save_file({"encoded": torch.cat(chunks)}, fresh, origin)
    fresh.replace(path)
    return torch.cat(chunks).to(device)
