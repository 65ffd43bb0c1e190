"""Every cell's pixels are those of a direct call of diffusers, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from functional.asked import (
    DECODERS,
    NEGATIVE,
    PRIORS,
    SEED,
    STEPS,
    WEIGHTS,
    Ask,
    Pictures,
    Pixels,
    generator,
    opened,
    pixels,
)
from functional.direct import Direct, inputs, mask_as_it_is

Drawn = Callable[..., list[Pixels]]
Sized = Callable[[Ask], Pictures]

LONG_NEGATIVE = "low quality picture of a bright yellow square and a dark purple triangle"
PORTRAIT: dict[str, Any] = {"height": 128, "width": 64}

PLAIN = [Ask(version, task, negative=NEGATIVE) for version, task in DECODERS]
"""One a cell, for a quick look."""

VARIED = [
    replace(ask, **changes)
    for ask in PLAIN
    for changes in (
        {**PORTRAIT, "negative": None},
        {**PORTRAIT, "guidance": 1.0, "seeding": "shared"},
        {"negative": None, "guidance": 1.0},
        {"scheduler": "ddpm", "seeding": "shared"},
    )
]

SCHEDULED = [
    replace(ask, scheduler=scheduler, **changes)
    for ask in PLAIN
    if ask.task == "text2img"
    for scheduler in ("ddim", "ddpm", "dpmpp_2m", "lcm")
    for changes in ({"guidance": 1.0}, {"negative": None, **PORTRAIT})
] + [
    Ask("2_1", "inpaint", scheduler="dpmpp_2m"),
    Ask("2_2", "img2img", scheduler="dpmpp_2m"),
    Ask("2_2", "controlnet", scheduler="lcm"),
    Ask("3", "img2img", scheduler="lcm"),
]


def name(ask: Ask) -> str:
    negative = "negative" if ask.negative else "plain"
    size = f"{ask.height}x{ask.width}"
    return "-".join(
        [ask.version, ask.task, ask.scheduler, f"g{ask.guidance:g}", negative, size, ask.seeding]
    )


def check(ask: Ask, direct: Direct, drawn: Drawn, pictures: Sized) -> None:
    (made,) = drawn(ask)
    assert made.shape == (ask.height, ask.width, 3)
    assert made.std() > 20, "a flat picture equals many"
    assert np.array_equal(made, direct.draw(ask, pictures(ask)))


@pytest.mark.parametrize("ask", PLAIN, ids=name)
def test_a_cell_is_its_direct_call(ask: Ask, direct: Direct, drawn: Drawn, pictures: Sized) -> None:
    check(ask, direct, drawn, pictures)


@pytest.mark.slow
@pytest.mark.parametrize("ask", dict.fromkeys([*VARIED, *SCHEDULED]), ids=name)
def test_so_it_is_however_it_is_asked_for(
    ask: Ask, direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    check(ask, direct, drawn, pictures)


COMBINED = [
    Ask("2_1", "text2img"),
    Ask("2_1", "img2img"),
    Ask("2_1", "inpaint", **PORTRAIT),
    Ask("2_2", "text2img", negative=NEGATIVE, scheduler="ddpm"),
    Ask("2_2", "img2img", negative=NEGATIVE, **PORTRAIT),
    Ask("2_2", "inpaint", negative=NEGATIVE),
    Ask("2_2", "inpaint", guidance=1.0),
]
"""2.1 without a negative prompt: its combined pipelines do not tell the decoder."""


@pytest.mark.slow
@pytest.mark.parametrize("ask", COMBINED, ids=name)
def test_shared_seeding_is_the_combined_pipeline(
    ask: Ask, direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    combined = direct.combined(ask)
    with mask_as_it_is(combined.decoder_pipe):
        expected = combined(
            ask.prompt, negative_prompt=ask.negative, **inputs(ask, pictures(ask)),
            num_inference_steps=STEPS, prior_num_inference_steps=STEPS, generator=generator(),
            guidance_scale=ask.guidance, prior_guidance_scale=ask.guidance,
        ).images[0]  # fmt: skip
    (made,) = drawn(replace(ask, seeding="shared"))
    assert np.array_equal(made, pixels(expected))


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2_1", "2_2"])
@pytest.mark.parametrize("negative", [None, NEGATIVE])
def test_interpolate_is_that_of_the_prior(
    version: str, negative: str | None, direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    """Where it can be: one text; and without a negative prompt the decoder starts anew, since
    diffusers runs a prior for the negative one in any case.
    """
    seeding = "per_stage" if negative is None else "shared"
    ask = Ask(version, "interpolate", negative=negative, seeding=seeding)
    given = generator()
    embeddings = direct.pipeline(*PRIORS[version]).interpolate(
        [ask.prompt, opened(pictures(ask)["image"])], list(WEIGHTS), num_inference_steps=STEPS,
        negative_prompt=negative or "", generator=given,
    )  # fmt: skip
    texts = {"prompt": ask.prompt, "negative_prompt": negative} if version == "2_1" else {}
    expected = direct.decoder(ask)(
        **embeddings, **texts, height=ask.height, width=ask.width, num_inference_steps=STEPS,
        guidance_scale=ask.guidance, generator=given if seeding == "shared" else generator(),
    ).images[0]  # fmt: skip
    (made,) = drawn(ask)
    assert np.array_equal(made, pixels(expected))


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["ddim", "ddpm"])
def test_a_longer_negative_prompt_of_kandinsky_3(
    scheduler: str, direct: Direct, drawn: Drawn
) -> None:
    ask = Ask("3", "text2img", negative=LONG_NEGATIVE, scheduler=scheduler)
    (made,) = drawn(ask)
    assert np.array_equal(made, direct.each_text_by_itself(ask))


@pytest.mark.slow
@pytest.mark.parametrize(("version", "task"), DECODERS)
def test_what_is_asked_for_changes_the_pixels(version: str, task: str, drawn: Drawn) -> None:
    """Else the equalities above could hold because something is ignored on both sides."""
    ask = Ask(version, task)
    changes = [
        [], ["scheduler=dpmpp_2m"], ["negative_prompt=low quality"], ["decoder.guidance_scale=1"],
        [f"seeds=[{SEED + 1}]"], ["decoder.num_inference_steps=4"],
    ]  # fmt: skip
    if version != "3":
        changes += [["prior.guidance_scale=1"], ["seeding=shared"]]
    if task in ("img2img", "controlnet_img2img"):
        changes += [["strength=1"]]
    made = {drawn(ask, *change)[0].tobytes() for change in changes}
    assert len(made) == len(changes)
