"""Live tiny pipelines; each test leaves them as they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from kandinsky2_0 import published, tiny
from runner.kandinsky2_0.pipeline_kandinsky2_0 import KandinskyV20Pipeline
from runner.kandinsky2_0.pipeline_kandinsky2_0_img2img import KandinskyV20Img2ImgPipeline
from runner.kandinsky2_0.pipeline_kandinsky2_0_inpaint import KandinskyV20InpaintPipeline


@pytest.fixture(scope="session")
def parts() -> dict[str, Any]:
    """Components of text2img and img2img."""
    return tiny.components()


@pytest.fixture(scope="session")
def unet_of_inpainting() -> Any:
    """The UNet of 9 channels."""
    return tiny.unet(9)


@pytest.fixture
def text2img(parts: dict[str, Any]) -> Any:
    """A pipeline of shared models, with a scheduler of its own."""
    return quiet(KandinskyV20Pipeline(**{**parts, "scheduler": tiny.ddim()}))


@pytest.fixture
def img2img(parts: dict[str, Any]) -> Any:
    """The same for img2img."""
    return quiet(KandinskyV20Img2ImgPipeline(**{**parts, "scheduler": tiny.ddim()}))


@pytest.fixture
def inpaint(parts: dict[str, Any], unet_of_inpainting: Any) -> Any:
    """The same for inpainting."""
    own = {"scheduler": tiny.ddim(), "unet": unet_of_inpainting}
    return quiet(KandinskyV20InpaintPipeline(**{**parts, **own}))


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    """Coarse noise."""
    grains = np.random.default_rng(20).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(grains).resize((tiny.SIDE, tiny.SIDE))


@pytest.fixture(scope="session")
def mask() -> Image.Image:
    """The right half is repainted."""
    mask = Image.new("L", (tiny.SIDE, tiny.SIDE))
    mask.paste(255, (tiny.SIDE // 2, 0, tiny.SIDE, tiny.SIDE))
    return mask


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published files, in float64; read them only."""
    folder = tmp_path_factory.mktemp("published")
    published.write(folder)
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Models of this size are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def quiet(pipeline: Any) -> Any:
    """Without progress bars."""
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def seeded(*seeds: int) -> Any:
    """A generator, or one for each of several seeds."""
    made = [torch.Generator().manual_seed(seed) for seed in seeds]
    return made if len(made) > 1 else made[0]


def drawn(pipeline: Any, *seeds: int, prompt: Any = "a red circle", **given: Any) -> np.ndarray:
    """Pixels, [B, H, W, 3] in [0, 1]; two steps unless told."""
    usual = {"num_inference_steps": 2, "output_type": "np", "generator": seeded(*(seeds or (0,)))}
    images = pipeline(prompt=prompt, **{**usual, **given}).images
    assert isinstance(images, np.ndarray)
    assert np.isfinite(images).all()
    assert images.std() > 0.02  # no plain colour
    return images
