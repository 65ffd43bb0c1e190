"""What the code of diffusers' guide has at hand: pipelines, pictures, masks and hints."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from PIL import Image

from functional.direct import Direct

SIDE, SEED, PRIOR_STEPS, STEPS = 64, 43, 3, 4
SMALL = {
    "height": SIDE,
    "width": SIDE,
    "num_inference_steps": STEPS,
    "prior_num_inference_steps": PRIOR_STEPS,
}
"""In place of the guide's numbers, which would take hours."""
NUMBERS = (*SMALL, "guidance_scale", "prior_guidance_scale", "strength")

PRIOR_1, PRIOR_2 = "kandinsky-2-1-prior", "kandinsky-2-2-prior"
PRIORS = {PRIOR_1: "KandinskyPriorPipeline", PRIOR_2: "KandinskyV22PriorPipeline"}


class Small:
    """A pipeline that is called with the guide's arguments, and runs with small numbers.

    Args:
        told: gets the guide's numbers at each call, with the pipeline's own defaults.
    """

    def __init__(self, pipeline: Any, told: list[dict[str, Any]]) -> None:
        self.pipeline, self._told = pipeline, told

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._call(self.pipeline, self.pipeline.__call__, given, named)

    def interpolate(self, *given: Any, **named: Any) -> Any:
        return self._call(self.pipeline.interpolate, self.pipeline.interpolate, given, named)

    def _call(self, call: Any, signed: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        asked = inspect.signature(signed).bind(*given, **named)
        asked.apply_defaults()
        self._told.append({k: v for k, v in asked.arguments.items() if k in NUMBERS})
        small: dict[str, Any] = {k: v for k, v in SMALL.items() if k in asked.arguments}
        if "Prior" in type(self.pipeline).__name__:
            small["num_inference_steps"] = PRIOR_STEPS
        if asked.arguments["generator"] is None:  # the guide leaves the noise to chance
            small["generator"] = generator()
        return call(*given, **(named | small))


def generator() -> torch.Generator:
    """`torch.Generator(...).manual_seed(43)`, on the CPU."""
    return torch.Generator().manual_seed(SEED)


class Guide:
    """What the guide's code has at hand.

    Attributes:
        told: the numbers of each call so far, as the guide has them.
        image, other: its pictures.
    """

    def __init__(self, direct: Direct, image: Path, other: Path) -> None:
        self._direct, self.weights = direct, direct.weights
        self.told: list[dict[str, Any]] = []
        self.image, self.other = (Image.open(path).convert("RGB") for path in (image, other))

    def load(self, kind: str, repo: str) -> Small:
        """`<kind>.from_pretrained("kandinsky-community/<repo>")`."""
        return Small(self._direct.pipeline(kind, repo), self.told)

    def auto(self, kind: str, repo: str, prior: str) -> Small:
        """`AutoPipelineFor...from_pretrained("kandinsky-community/<repo>")`, which finds the prior
        by itself.
        """
        modules = dict(self._direct.pipeline(kind, repo).components)
        priors = self._direct.pipeline(PRIORS[prior], prior).components
        modules |= {f"prior_{name}": part for name, part in priors.items()}
        combined = getattr(diffusers, kind.replace("Pipeline", "CombinedPipeline"))(**modules)
        combined.set_progress_bar_config(disable=True)
        return Small(combined, self.told)

    def mask(self) -> Any:
        """White above the cat's head."""
        mask = np.zeros((768, 768), dtype=np.float32)
        mask[:250, 250:-250] = 1
        return mask

    def hint(self, image: Image.Image) -> torch.Tensor:
        """`make_hint(img, depth_estimator).unsqueeze(0)`."""
        estimator = transformers.pipeline("depth-estimation", model=str(self.weights / "dpt-large"))
        depth = np.array(estimator(image)["depth"])[:, :, None]
        depth = np.concatenate([depth, depth, depth], axis=2)
        return (torch.from_numpy(depth).float() / 255.0).permute(2, 0, 1).unsqueeze(0)
