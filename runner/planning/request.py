"""The request for one image of a cell."""

from __future__ import annotations

from dataclasses import dataclass

from runner.system.text import shorten


@dataclass(frozen=True)
class ImageRequest:
    """One image of a cell: which prompt, which seed, how large (pixels)."""

    index: int
    prompt: str
    seed: int
    height: int
    width: int

    @property
    def label(self) -> str:
        """One short line for display."""
        return f"{shorten(self.prompt)} · seed {self.seed}".removeprefix(" · ")
