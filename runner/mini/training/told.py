"""What the UNet is told in training: image embeddings, shaken the way the prior's are off.

An embedding is taken apart into a part that adds up over shape, colour and background, a part that
belongs to their combination, and the rest, which is mostly where and how large the object is.

* A combination never seen has a combination part never seen. So half the time that part is
  exchanged for another's, up to three times as strong: the UNet learns to read what adds up.
* Guidance, in the prior and again in the decoder, exaggerates whatever an embedding says, also a
  radius, until nothing fits the canvas. So the rest is taken from another scene, at any strength:
  the UNet learns to place the object by itself, as the noise suggests.
* And all of it is noisy.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from runner.mini.scenes import Scene
from runner.mini.training.loop import Draws
from runner.mini.vocabulary import BACKGROUNDS, COLOURS, SHAPES

ATTRIBUTES = (tuple(SHAPES), tuple(COLOURS), tuple(BACKGROUNDS))
NOISE = 0.5
"""Strongest noise, in units of the embeddings' spread per number."""
EXCHANGED_SHARE = 0.5
EXCHANGED_SCALE = 3.0
"""The combination part of a combination never seen is about three times a seen one's."""
STRONGEST_REST = 2.0


class ToldEmbeddings:
    """Embeddings [N, D] of scenes, in parts, on the embeddings' device."""

    def __init__(self, embeddings: Tensor, scenes: Sequence[Scene]) -> None:
        found = [scene.combination for scene in scenes]
        combinations = sorted(set(found))
        number = {combination: place for place, combination in enumerate(combinations)}
        self.combination = torch.tensor([number[c] for c in found], device=embeddings.device)
        counts = torch.bincount(self.combination)[:, None]
        sums = torch.zeros(len(combinations), embeddings.shape[1], device=embeddings.device)
        means = sums.index_add(0, self.combination, embeddings) / counts
        present = torch.cat(
            [
                F.one_hot(torch.tensor([names.index(c[place]) for c in combinations]), len(names))
                for place, names in enumerate(ATTRIBUTES)
            ],
            dim=1,
        ).to(embeddings)
        # A pseudo-inverse, for the one-hot columns of each attribute all sum to the same.
        self.adding_up = present @ torch.linalg.pinv(present) @ means
        self.of_combination = means - self.adding_up
        self.rest = embeddings - means[self.combination]
        self.spread = embeddings.std(0)

    def draw(self, rows: Tensor, draws: Draws) -> Tensor:
        """Shaken embeddings [len(rows), D] of the scenes `rows`."""
        count, device = len(rows), rows.device

        def uniform(low: float, high: float) -> Tensor:
            drawn = torch.rand(count, 1, generator=draws.torch) * (high - low) + low
            return drawn.to(device)

        own = self.combination[rows]
        other = torch.randint(0, len(self.adding_up), (count,), generator=draws.torch).to(device)
        exchanged = self.of_combination[other] * uniform(0, EXCHANGED_SCALE)
        elsewhere = torch.randint(0, len(self.rest), (count,), generator=draws.torch).to(device)
        exchange = uniform(0, 1) < EXCHANGED_SHARE
        noise = torch.randn(count, len(self.spread), generator=draws.torch).to(device)
        told: Tensor = (
            self.adding_up[own]
            + torch.where(exchange, exchanged, self.of_combination[own])
            + self.rest[elsewhere] * uniform(0, STRONGEST_REST)
            + noise * self.spread * uniform(0, NOISE)
        )
        return told
