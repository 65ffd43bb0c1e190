"""How libraries are asked to load a checkpoint, where its files are not the usual ones."""

from __future__ import annotations

from typing import Any

import torch

PECULIAR: dict[str, dict[str, Any]] = {
    "kandinsky-2-2-controlnet-depth": {"use_safetensors": False},
    "kandinsky-3": {"variant": "fp16"},
}


def arguments(folder: str) -> dict[str, Any]:
    """Of `from_pretrained`, for what is to run on a CPU."""
    usual = {"dtype": torch.float32, "use_safetensors": True, "local_files_only": True}
    return usual | PECULIAR.get(folder, {})
