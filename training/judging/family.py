"""The exported family with the pipelines of all tasks, for judging what they draw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import DPTForDepthEstimation, DPTImageProcessorPil

from runner.mini.known import Known, read_known
from training.export import DEPTH_FOLDER
from training.judging.pipelines import SIDE, Pipelines, use_ddim

STEPS, PRIOR_GUIDANCE, GUIDANCE = 25, 4.0, 2.0


class Family:
    """The exported pipelines, in float32; those of one task are loaded when first used."""

    def __init__(self, weights: Path) -> None:
        self.weights = weights
        self.known: Known = read_known(weights)
        self.text2img = Pipelines(weights)
        self.movq = self.text2img.decoder.movq
        self._others: dict[str, Any] = {}

    def has(self, folder: str) -> bool:
        """Whether the weights have a folder."""
        return (self.weights / folder).is_dir()

    def decoder(self, kind: type[Any], folder: str | None = None, **components: Any) -> Any:
        """A decoder of class `kind` with DDIM, made once: of `components`, and the rest of a
        folder's.
        """
        if kind.__name__ not in self._others:
            if folder is None:
                made = kind(**components)
            else:
                made = kind.from_pretrained(
                    self.weights / folder, dtype=torch.float32, local_files_only=True, **components
                )
            made.set_progress_bar_config(disable=True)
            use_ddim(made)
            self._others[kind.__name__] = made
        return self._others[kind.__name__]

    def told(self, prompt: str, seed: int, prior: Any = None) -> dict[str, Any]:
        """What the prior (that of 2.2, if no other) says of a prompt, for any decoder."""
        found = (prior or self.text2img.prior)(
            prompt,
            num_inference_steps=STEPS,
            guidance_scale=PRIOR_GUIDANCE,
            generator=torch.Generator().manual_seed(seed),
        )
        return dict(found) | how(seed)

    def depth(self, picture: Image.Image) -> torch.Tensor:
        """The estimated depth of a picture, [1, 1, H, W], 0 (ground) to 1."""
        folder = self.weights / DEPTH_FOLDER
        if "depth" not in self._others:
            self._others["depth"] = (
                DPTImageProcessorPil.from_pretrained(folder),
                DPTForDepthEstimation.from_pretrained(folder, dtype=torch.float32),
            )
        processor, model = self._others["depth"]
        with torch.no_grad():
            found = model(**processor(picture, return_tensors="pt")).predicted_depth[:, None]
        size = (picture.height, picture.width)
        return torch.nn.functional.interpolate(found, size, mode="bilinear", align_corners=False)

    def round_trip(self, picture: torch.Tensor) -> torch.Tensor:
        """A picture [1, 3, H, W] in [0, 1] through the autoencoder and back."""
        with torch.no_grad():
            latents = self.movq.encode(picture * 2 - 1).latents
            back: torch.Tensor = self.movq.decode(latents, force_not_quantize=True).sample
        return (back * 0.5 + 0.5).clamp(0, 1)

    def round_trip_2_0(self, picture: torch.Tensor) -> torch.Tensor:
        """The same with the autoencoder of 2.0."""
        vae = self.text2img.kandinsky_2_0.vae
        with torch.no_grad():
            back: torch.Tensor = vae.decode(vae.encode(picture * 2 - 1).latent_dist.mode()).sample
        return (back * 0.5 + 0.5).clamp(0, 1)


def how(seed: int) -> dict[str, Any]:
    """What every decoder is called with."""
    return {
        "height": SIDE,
        "width": SIDE,
        "num_inference_steps": STEPS,
        "guidance_scale": GUIDANCE,
        "generator": torch.Generator().manual_seed(seed),
    }
