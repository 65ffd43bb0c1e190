"""What the configs of a checkpoint tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.catalog.checkpoint import Checkpoint, Layout
from runner.weights.settings import read_json

MOVQ_CHANNELS = 256
"""Of the published 2.x, where a config does not tell."""


def schedulers(
    checkpoint: Checkpoint, found: Mapping[str, Path], path: Path, key: str
) -> dict[str, dict[str, Any]]:
    """Scheduler name -> the contents of its config; "" is the checkpoint's main one."""
    if checkpoint.layout is not Layout.diffusers:
        return {}
    folders = {"": "scheduler", **checkpoint.scheduler_folders}
    files = {name: f"{folder}/scheduler_config.json" for name, folder in folders.items()}
    return {
        name: read_json(found.get(file, path / file), key)
        for name, file in files.items()
        if not name or file in found
    }


def native_size(checkpoint: Checkpoint, configs: Mapping[str, dict[str, Any]]) -> int | None:
    """The denoiser's latent size times the autoencoder's scale: 64 x 8 for the published 2.2."""
    if checkpoint.autoencoder is None:
        return None
    latent = configs[checkpoint.denoiser].get("sample_size")
    blocks = configs[checkpoint.autoencoder].get("block_out_channels")
    if not isinstance(latent, int) or not isinstance(blocks, list):
        return None
    return latent * int(2 ** (len(blocks) - 1))


def embedding_size(checkpoint: Checkpoint, configs: Mapping[str, dict[str, Any]]) -> int | None:
    """The width of the image embedding that passes from prior to decoder; None: none passes."""
    if checkpoint.embedding is None:
        return None
    module, name = checkpoint.embedding
    size = configs[module].get(name)
    return size if isinstance(size, int) else None


def last_channels(checkpoint: Checkpoint, configs: Mapping[str, dict[str, Any]]) -> int:
    """Channels that the last block of the autoencoder is given; 0: the role draws no picture."""
    if checkpoint.autoencoder is None:
        return 0
    blocks = configs[checkpoint.autoencoder].get("block_out_channels")
    return int(blocks[1]) if isinstance(blocks, list) and len(blocks) > 1 else MOVQ_CHANNELS
