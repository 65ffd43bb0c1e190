"""The checkpoints of Kandinsky 2.0, as `kandinsky convert` makes them."""

from __future__ import annotations

from pathlib import Path

from kandinsky2_0 import tiny
from random_weights.files import write_json
from runner.kandinsky2_0.conversion.convert import COMPONENTS


def kandinsky_2_0(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-2-0."""
    return _folder(folder / "kandinsky-2-0", "KandinskyV20Pipeline", 4, seed)


def kandinsky_2_0_inpaint(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-2-0-inpaint, which holds all that it needs."""
    return _folder(folder / "kandinsky-2-0-inpaint", "KandinskyV20InpaintPipeline", 9, seed)


def _folder(path: Path, kind: str, in_channels: int, seed: int) -> Path:
    for name, part in tiny.components(in_channels, seed).items():
        part.save_pretrained(path / name)
    tiny.ddpm().save_pretrained(path / "ddpm_scheduler")
    index = {name: list(given) for name, given in sorted(COMPONENTS.items())}
    write_json(path / "model_index.json", {"_class_name": kind, **index})
    return path
