"""`weights=random weights.size=tiny`: whole cells without a file of weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import KandinskyV22ControlnetPipeline
from PIL import Image

from functional.cells import VERSIONS, drawn, opened, planned

TINY = ("weights.size=tiny", "cache=off")


@pytest.mark.parametrize("version", VERSIONS)
def test_pictures_are_noise_and_the_same_twice(version: str, tmp_path: Path) -> None:
    plan = planned("random", tmp_path, version, *TINY, "precision=fp16")
    once = drawn(plan, opened(plan))
    assert 30 < once.pixels.std() < 90  # what is not finite becomes black
    assert set(once.read_back("dtype").values()) == {"float16"}
    assert np.array_equal(once.pixels, drawn(plan, opened(plan)).pixels)


@pytest.mark.parametrize("version", ["kandinsky2_0", "kandinsky3"])
def test_a_text_encoder_keeps_the_layers_that_overflow(version: str, tmp_path: Path) -> None:
    plan = planned("random", tmp_path, version, *TINY, "precision=fp16")
    (text,) = (node.pipeline for node in plan.graph if node.stage == plan.run.version.text_stage)
    assert text is not None
    parts = opened(plan).get(text).components
    encoders = [parts[name] for name in plan.weights.checkpoints["text"].checkpoint.modules]
    held = plan.weights.checkpoints["text"].footprint(plan.run.precision.text, 0)
    parameters = [parameter for encoder in encoders for parameter in encoder.parameters()]
    assert {parameter.dtype for parameter in parameters} == {torch.float16, torch.float32}
    assert sum(parameter.nbytes for parameter in parameters) == held.all_weights


def test_a_depth_model_and_the_published_scheduler(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(rows).save(tmp_path / "picture.png")
    task = ("task=controlnet", f"inputs.image={tmp_path / 'picture.png'}")
    plan = planned("random", tmp_path, "kandinsky2_2", *TINY, *task)
    pipelines = opened(plan, keep_all=True)
    assert drawn(plan, pipelines).pixels.std() > 30
    decoder = pipelines.given["decoder"]
    assert type(decoder) is KandinskyV22ControlnetPipeline
    assert decoder.unet.config.addition_embed_type == "image_hint"
    assert decoder.scheduler.config.clip_sample is True
