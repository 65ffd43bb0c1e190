"""What the UNets are told in training: image embeddings, shaken the way the prior's are off.

An embedding is taken apart into a part that adds up over the scene's attributes and a rest, which
belongs to the combination of attributes.

* A combination never seen has a rest never seen. So half the time the rest is exchanged for another
  scene's, up to three times as strong: the UNet learns to read what adds up.
* Guidance in the prior exaggerates whatever an embedding says. So what adds up is sometimes told
  more strongly than it is.
* And all of it is noisy.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.parts import features
from training.scenes import Scene
from training.steps import Draws

NOISE = 0.4
"""Strongest noise, in units of the embeddings' spread per number."""
EXCHANGED_SHARE = 0.5
EXCHANGED_SCALE = 3.0
"""The rest of a combination never seen is larger than a seen one's."""
STRENGTH = (0.9, 1.5)


class ToldEmbeddings:
    """Embeddings [N, D] of scenes, in parts, on the embeddings' device."""

    def __init__(self, embeddings: Tensor, scenes: Sequence[Scene]) -> None:
        present = features.attributes(scenes).to(embeddings)
        self.mean = embeddings.mean(0)
        # A pseudo-inverse, for the one-hot groups each sum to the same.
        weights = torch.linalg.pinv(present.T @ present) @ (present.T @ (embeddings - self.mean))
        self.adding_up = present @ weights
        self.rest = embeddings - self.mean - self.adding_up
        self.spread = embeddings.std(0)

    @property
    def plain(self) -> Tensor:
        """The embeddings [N, D] without what belongs to combinations of attributes."""
        plain: Tensor = self.mean + self.adding_up
        return plain

    def draw(self, rows: Tensor, draws: Draws) -> Tensor:
        """Shaken embeddings [len(rows), D] of the scenes `rows`."""
        count, device = len(rows), rows.device

        def uniform(low: float, high: float) -> Tensor:
            drawn = torch.rand(count, 1, generator=draws.torch) * (high - low) + low
            return drawn.to(device)

        other = torch.randint(0, len(self.rest), (count,), generator=draws.torch).to(device)
        exchanged = self.rest[other] * uniform(0, EXCHANGED_SCALE)
        exchange = uniform(0, 1) < EXCHANGED_SHARE
        noise = torch.randn(count, len(self.spread), generator=draws.torch).to(device)
        told: Tensor = (
            self.mean
            + self.adding_up[rows] * uniform(*STRENGTH)
            + torch.where(exchange, exchanged, self.rest[rows])
            + noise * self.spread * uniform(0, NOISE)
        )
        return told
