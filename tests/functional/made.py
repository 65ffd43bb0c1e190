"""Reads the results of a run from its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from helpers.manifests import hashes, read_manifest

STEPS = ("prior.num_inference_steps=3", "decoder.num_inference_steps=3")

Kandinsky = Callable[..., "Made"]


class Made:
    """What a run left in its folder."""

    def __init__(self, output_dir: Path) -> None:
        self.folder = (output_dir / "latest").resolve()
        self.manifest: dict[str, Any] = read_manifest(self.folder)

    @property
    def files(self) -> list[Path]:
        return [self.folder / image["file"] for image in self.manifest["images"]]

    @property
    def hashes(self) -> dict[tuple[str, int], str]:
        """(prompt, seed) -> sha256 of the pixels."""
        return hashes(self.manifest)

    def image(self) -> Image.Image:
        """The only one."""
        (file,) = self.files
        with Image.open(file) as image:
            image.load()
        return image
