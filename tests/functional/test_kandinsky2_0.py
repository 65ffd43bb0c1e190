"""Kandinsky 2.0 in the runner: both samplings of the original, texts encoded once, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from functional.asked import PROMPT, STEPS, Ask, Pictures, Pixels, generator, pixels
from functional.cells import opened, planned
from functional.direct import Direct, inputs
from runner.kandinsky2_0 import samplings
from runner.stages import decode as decode_stage
from runner.stages import encode_two_texts

Drawn = Callable[..., list[Pixels]]
Sized = Callable[[Ask], Pictures]
Refused = Callable[..., str]

RELEASE = (
    "scheduler.eta=0.05", "scheduler.use_clipped_model_output=true",
    "scheduler.set_alpha_to_one=true", "scheduler.thresholding=true",
    "scheduler.sample_max_value=1000000000",
)  # fmt: skip
"""The sampling of November 2022, as options of `scheduler=ddim`."""


@pytest.mark.parametrize("task", ["text2img", "inpaint"])
def test_the_sampling_of_the_release_is_within_reach(
    task: str, direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    ask = Ask("2_0", task, scheduler="ddim")
    pipeline = direct.decoder(ask)
    pipeline.scheduler = diffusers.DDIMScheduler(**samplings.RELEASE_DDIM)
    (made,) = drawn(ask, *RELEASE)
    expected = pipeline(
        PROMPT, **inputs(ask, pictures(ask)), **samplings.RELEASE_DDIM_STEP,
        **({"grow_mask": False} if task == "inpaint" else {}),
        num_inference_steps=STEPS, guidance_scale=ask.guidance, generator=generator(),
    ).images[0]  # fmt: skip
    assert np.array_equal(made, pixels(expected))
    assert not np.array_equal(made, drawn(ask)[0]), "it is another sampling than that of the files"


def test_a_prompt_is_encoded_once_for_many_pictures(random_weights: Path, tmp_path: Path) -> None:
    plan = planned(random_weights, tmp_path, "kandinsky2_0", "seeds=[0,1]", "prompt=[a cat,a dog]")
    stages = [node.stage for node in plan.graph]
    assert stages.count("encode_two_texts") == 2
    assert stages.count("decode") == 4


@pytest.mark.parametrize(
    ("ask", "overrides", "said"),
    [
        (Ask("2_0", "text2img"), ["decoder.num_inference_steps=501"], "no more than 500 steps"),
        (Ask("2_0", "text2img", height=96), [], "height=96"),
        (Ask("2_0", "interpolate"), [], "no prior whose embeddings could be mixed"),
    ],
    ids=["steps", "size", "interpolate"],
)
def test_what_it_cannot_do_is_refused_by_the_plan(
    ask: Ask, overrides: list[str], said: str, refused: Refused
) -> None:
    assert said in refused(ask, *overrides)


def test_more_steps_than_500_are_spread_otherwise(random_weights: Path, tmp_path: Path) -> None:
    plan = planned(
        random_weights, tmp_path, "kandinsky2_0", "decoder.num_inference_steps=1000",
        "scheduler=ddim", "scheduler.timestep_spacing=trailing",
    )  # fmt: skip
    assert plan.run.decoder.num_inference_steps == 1000


@pytest.mark.parametrize(("words", "alike"), [(75, False), (76, True)])
def test_what_one_encoder_loses_the_other_may_read(
    random_weights: Path, tmp_path: Path, words: int, alike: bool
) -> None:
    begun = "a " * words  # the first encoder reads 75 tokens beside its ends, the second one 76
    prompts = f"prompt=[{begun}red,{begun}blue]"
    plan = planned(random_weights, tmp_path, "kandinsky2_0", prompts)
    first, second = (
        [warning for warning in plan.warnings if warning.startswith(f"the {which} text encoder")]
        for which in ("first", "second")
    )
    assert (len(first), len(second)) == (1, int(alike))
    assert any("come out the same" in warning for warning in plan.warnings) is alike


@torch.no_grad()
@pytest.mark.parametrize("scheduler", ["ddim", "ddpm"])
def test_pixels_answer_to_each_encoder_the_padding_and_the_variance(
    random_weights: Path, tmp_path: Path, scheduler: str
) -> None:
    plan = planned(random_weights, tmp_path, "kandinsky2_0", f"scheduler={scheduler}")
    encode, decode = plan.graph.in_order()
    pipelines = opened(plan, keep_all=True)
    assert encode.pipeline is not None
    assert decode.pipeline is not None
    text = encode_two_texts.run(encode, {}, pipelines.get(encode.pipeline), lambda *_: None)
    assert isinstance(text, dict)
    pipeline = pipelines.get(decode.pipeline)

    def draw(**changed: torch.Tensor) -> Pixels:
        picture = decode_stage.run(decode, {"text": {**text, **changed}}, pipeline, lambda *_: None)
        assert isinstance(picture, Image.Image)
        return pixels(picture)

    usual = draw()
    assert np.array_equal(usual, draw()), "repeats are bit-identical"
    assert len(text) == 6
    changes = {name: torch.zeros_like(tensor) for name, tensor in text.items()}
    for name in ("prompt_embeds", "prompt_embeds_2"):  # the prompt has far fewer tokens
        padding = text[name].clone()
        padding[:, 40:] = 0
        assert not np.array_equal(usual, draw(**{name: padding})), f"the padding of {name}"
    for name, zeros in changes.items():
        assert not np.array_equal(usual, draw(**{name: zeros})), name
    pipeline.unet.conv_out.weight[4:] = 0  # the last channels predict the variance
    assert np.array_equal(usual, draw()) == (scheduler == "ddim")
