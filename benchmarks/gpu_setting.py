"""What `gpu.py` and its scripts draw."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

SCHEDULERS = ("ddim", "ddpm")
SCALES = (2.0, 4.0)
PROMPTS = ("a red circle on a white background", "a blue square on a white background")
SEEDS = (0, 1)
CELLS = list(itertools.product(SCHEDULERS, SCALES, PROMPTS))
"""In the order in which `kandinsky -m` numbers them."""


@dataclass(frozen=True)
class Setting:
    """A size of the whole benchmark.

    Attributes:
        weights: the size of the random weights.
        cells: numbers of `CELLS`.
    """

    weights: str
    device: str
    precision: str
    size: int
    prior_steps: int
    steps: int
    cells: tuple[int, ...]

    @property
    def environment(self) -> dict[str, str]:
        """Of all processes: with tiny models one thread is faster, and the runner uses one."""
        return {"OMP_NUM_THREADS": "1"} if self.device == "cpu" else {}

    @property
    def dtype(self) -> str:
        """As torch names it."""
        return {"fp16": "float16", "fp32": "float32"}[self.precision]


LARGE = Setting("release", "cuda", "fp16", 768, 25, 50, tuple(range(len(CELLS))))
SMALL = Setting("tiny", "cpu", "fp32", 64, 2, 2, (0, 1))
SETTINGS = {"large": LARGE, "small": SMALL}
