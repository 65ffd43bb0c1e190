"""Inputs that diffusers silently ignores, and that the runner uses or refuses.

As in test_wrongs.py: each test shows both, and fails once diffusers is fixed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from functional.asked import (
    DECODERS,
    PRIORS,
    STEPS,
    Ask,
    Pictures,
    Pixels,
    generator,
    generators,
    pixels,
)
from functional.direct import Direct
from runner.errors import StageError
from runner.pipelines.compilation import graphs_compiled
from runner.stages.calls import call

Drawn = Callable[..., list[Pixels]]
Sized = Callable[[Ask], Pictures]
Refused = Callable[..., str]
Kandinsky = Callable[..., int]

GUIDED = {"num_inference_steps": STEPS, "guidance_scale": 4.0}


@pytest.mark.parametrize("version", ["2_2", "3"])
def test_an_argument_that_is_swallowed(
    version: str, direct: Direct, pictures: Sized, refused: Refused
) -> None:
    ask = Ask(version, "text2img", prompt="a cat")
    told = (
        {"prompt": "a cat"}
        if version == "3"
        else direct.embeddings(ask, pictures(ask), generators())
    )
    usual = {"height": ask.height, "width": ask.width, **GUIDED, "output_type": "np"}
    right, naive = (
        direct.decoder(ask)(**told, **usual, **more, generator=generator()).images
        for more in ({}, {"guidance_scal": 9.0})
    )
    assert np.array_equal(right, naive)
    for typo in ("decoder.guidance_scal=9", "+decoder.guidance_scal=9"):
        assert "decoder.guidance_scal" in refused(ask, typo)
    with pytest.raises(StageError, match="takes no guidance_scal"):
        call(direct.decoder(ask), lambda step, steps: None, STEPS, {"guidance_scal": 9.0})


@pytest.mark.slow
def test_a_scheduler_set_on_a_combined_pipeline(
    direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    ask = Ask("2_2", "text2img", scheduler="ddim", seeding="shared")
    told = {"height": 64, "width": 128, "prior_num_inference_steps": STEPS, **GUIDED}
    combined = direct.combined(ask)
    usual = combined(ask.prompt, **told, generator=generator()).images[0]
    combined.scheduler = direct.combined(replace(ask, scheduler="ddpm")).scheduler
    naive = combined(ask.prompt, **told, generator=generator()).images[0]
    assert np.array_equal(pixels(naive), pixels(usual))
    for scheduler in ("ddim", "ddpm"):
        (made,) = drawn(ask, f"scheduler={scheduler}")
        expected = direct.draw(replace(ask, scheduler=scheduler), pictures(ask))
        assert np.array_equal(made, expected)
        assert np.array_equal(made, pixels(usual)) == (scheduler == "ddim")


@pytest.mark.slow
def test_compiling_what_a_combined_pipeline_does_not_call(
    direct: Direct, drawn: Drawn, pictures: Sized, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Ask("2_2", "text2img")
    combined = direct.combined(ask)
    combined.unet = torch.compile(combined.unet)
    assert combined.decoder_pipe.unet is not combined.unet, "naive: this one is called"
    compiled = []

    def compile_quickly(module: torch.nn.Module, **_: object) -> None:
        # Without a C++ compiler, which would take minutes; the graphs are made all the same.
        compiled.append(type(module).__name__)
        module._compiled_call_impl = torch.compile(module._call_impl, backend="eager")

    monkeypatch.setattr(torch.nn.Module, "compile", compile_quickly)
    before = graphs_compiled()
    (made,) = drawn(ask, "compile=default")
    assert compiled == ["PriorTransformer", "UNet2DConditionModel"]
    assert graphs_compiled() > before
    assert np.abs(made - direct.draw(ask, pictures(ask))).max() <= 1


def test_a_scheduler_whose_input_is_not_scaled(
    direct: Direct, pictures: Sized, refused: Refused
) -> None:
    ask = Ask("2_2", "text2img")
    decoder = direct.decoder(ask)
    decoder.scheduler = diffusers.EulerDiscreteScheduler.from_config(decoder.scheduler.config)
    told = direct.embeddings(ask, pictures(ask), generators())
    decoder(**told, height=64, width=64, **GUIDED, generator=generator())
    assert not decoder.scheduler.is_scale_input_called, "naive"
    assert refused(ask, "scheduler=euler").startswith("scheduler=")


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_nan_that_becomes_black(
    direct: Direct,
    pictures: Sized,
    random_kandinsky: Kandinsky,
    random_weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ask = Ask("2_2", "text2img")
    told = direct.embeddings(ask, pictures(ask), generators())
    told["image_embeds"] = told["image_embeds"] * float("nan")
    naive = direct.decoder(ask)(**told, height=64, width=128, **GUIDED, generator=generator())
    assert not pixels(naive.images[0]).any()
    damaged = tmp_path / "weights"
    for folder in (PRIORS["2_2"][1], DECODERS["2_2", "text2img"][1]):
        shutil.copytree(random_weights / folder, damaged / folder)
    file = damaged / folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["conv_in.bias"][0] = float("nan")
    save_file(tensors, file, metadata={"format": "pt"})
    assert random_kandinsky(*ask.overrides(pictures(ask)), f"weights={damaged}") == 1
    assert "NaN" in capsys.readouterr().err
    assert not list((tmp_path / "outputs").rglob("*.png"))
