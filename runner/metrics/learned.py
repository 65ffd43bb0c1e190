"""Metrics of two pictures by torchvision's networks. Their weights must be in torch's own folder of
checkpoints: nothing is fetched.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from runner.metrics import metric

BACKBONES = {
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
}
DISTS_FILES = ("vgg16-397923af.pth", "dists_weights.pt")


def checkpoints() -> Path:
    """torch.hub's folder of fetched checkpoints."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "torch"
    home = Path(os.environ.get("TORCH_HOME", cache)).expanduser()
    return home / "hub" / "checkpoints"


def _missing(*names: str) -> str | None:
    absent = [name for name in names if not (checkpoints() / name).is_file()]
    return f"needs {' and '.join(absent)} in {checkpoints()}" if absent else None


def _check_lpips(arguments: Mapping[str, Any]) -> str | None:
    network = arguments.get("network", "alex")
    if network not in BACKBONES:
        return f"knows no network {network!r}, but {', '.join(BACKBONES)}"
    return _missing(BACKBONES[network])


def _check_dists(arguments: Mapping[str, Any]) -> str | None:
    return _missing(*DISTS_FILES)


@metric(better="lower", needs=("torchmetrics", "torchvision"), check=_check_lpips)
def lpips(image: Image.Image, reference: Image.Image, *, network: str = "alex") -> float:
    """Perceptual distance (Zhang et al. 2018) by alex, vgg or squeeze; 0 for equal pictures."""
    from torchmetrics.functional.image.lpips import learned_perceptual_image_patch_similarity

    found = learned_perceptual_image_patch_similarity(
        _unit(image), _unit(reference), net_type=network, normalize=True
    )
    return float(found)


@metric(better="lower", needs=("piq", "torchvision"), check=_check_dists)
def dists(image: Image.Image, reference: Image.Image) -> float:
    """Structure and texture (Ding et al. 2020); 0 for equal pictures."""
    import piq

    return float(piq.DISTS()(_unit(image), _unit(reference)))


def _unit(image: Image.Image) -> Any:
    """float32 [1, 3, H, W] in [0, 1]."""
    import numpy as np
    import torch

    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).permute(2, 0, 1)[None]
