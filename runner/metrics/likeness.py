"""Metrics of how similar two pictures are: by pixels, and by structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from runner.metrics import metric

if TYPE_CHECKING:
    import torch

SAME_DB = 100.0
"""The `psnr` of equal pictures, for which the ratio is infinite."""

MS_SSIM_SMALLEST = 176
"""Pixels: a window of 11 at the fifth scale, a sixteenth of the picture."""


@metric(better="higher")
def psnr(image: Image.Image, reference: Image.Image) -> float:
    """Peak signal-to-noise ratio, dB; at most 100, as for equal pictures."""
    error = np.square(_levels(image) - _levels(reference)).mean()
    return SAME_DB if error == 0 else float(min(SAME_DB, 10 * np.log10(255**2 / error)))


@metric(better="lower")
def pixel_difference(image: Image.Image, reference: Image.Image) -> dict[str, float]:
    """Difference of pixels in levels of 255: the mean and the largest."""
    levels = np.abs(_levels(image) - _levels(reference))
    return {"mean": float(levels.mean()), "max": float(levels.max())}


@metric(better="higher", needs=("torchmetrics",))
def ssim(image: Image.Image, reference: Image.Image) -> float:
    """Structural similarity (Wang et al. 2004), with the paper's window; 1 for equal pictures."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    found = structural_similarity_index_measure(
        _tensor(image), _tensor(reference), data_range=255.0
    )
    return float(found)


@metric(better="higher", needs=("torchmetrics",), smallest=MS_SSIM_SMALLEST)
def ms_ssim(image: Image.Image, reference: Image.Image) -> float:
    """Structural similarity at five scales (Wang et al. 2003); 1 for equal pictures."""
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    found = multiscale_structural_similarity_index_measure(
        _tensor(image), _tensor(reference), data_range=255.0, normalize="relu"
    )
    return float(found)


def _levels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.float64)


def _tensor(image: Image.Image) -> torch.Tensor:
    """[1, 3, H, W], 0 to 255, double: SSIM's variances are small differences of squares."""
    import torch

    return torch.from_numpy(_levels(image)).permute(2, 0, 1)[None]
