"""`corrections=off` is diffusers' own call, bit for bit; `on` compares at the same noise, and what
it corrected is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from functional.asked import (
    DECODERS,
    INPUTS,
    NEGATIVE,
    PRIORS,
    PROMPT,
    STEPS,
    Ask,
    Pictures,
    Pixels,
    generator,
    opened,
    pixels,
)
from functional.direct import Direct
from functional.made import Made

Drawn = Callable[..., list[Pixels]]
Sized = Callable[[Ask], Pictures]
Refused = Callable[..., str]

OFF = "corrections=off"
SQUARE: dict[str, Any] = {"height": 64, "width": 64}
LONG = "low quality picture of a bright yellow square and a dark purple triangle"
EXCHANGED = ("img2img", "controlnet_img2img")


def per_stage(version: str, task: str, negative: str | None) -> Ask:
    return Ask(version, task, negative=negative, **(SQUARE if task in EXCHANGED else {}))


QUICK = {("2_1", "img2img"), ("2_2", "inpaint"), ("3", "text2img")}
NAIVE = [
    # All others, asked for like this, are in the table of `test_published.py`.
    *(per_stage(*cell, NEGATIVE) for cell in DECODERS if cell[0] == "2_0" or cell in QUICK),
    *(
        replace(per_stage(*cell, NEGATIVE), seeding="shared")
        for cell in DECODERS
        if cell[0] in PRIORS
    ),
    Ask("2_0", "text2img", height=100, width=65),
    Ask("2_1", "interpolate", seeding="shared"),
    Ask("2_1", "img2img", **SQUARE),
    Ask("2_2", "inpaint", guidance=1.0),
    Ask("2_2", "img2img"),
    Ask("2_2", "img2img", height=100, width=100),
    Ask("2_2", "text2img", height=100, negative=NEGATIVE, guidance=1.0),
    Ask("3", "text2img", prompt="a cat", negative=LONG, guidance=1.5),
    Ask("3", "text2img", prompt="a cat", negative=LONG, guidance=1.0),
]


def name(ask: Ask) -> str:
    negative = "negative" if ask.negative else "plain"
    size = f"{ask.height}x{ask.width}"
    return "-".join([ask.version, ask.task, f"g{ask.guidance:g}", negative, size, ask.seeding])


def is_slow(ask: Ask) -> bool:
    return ask.negative is None or (ask.version, ask.task) not in QUICK


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(ask, id=name(ask), marks=[pytest.mark.slow] if is_slow(ask) else [])
        for ask in NAIVE
    ],
)
def test_off_is_the_call_of_diffusers(
    ask: Ask, direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    (made,) = drawn(ask, OFF)
    assert made.std() > 20, "a flat picture equals many"
    assert np.array_equal(made, direct.draw(ask, pictures(ask), naive=True))


@pytest.mark.slow
@pytest.mark.parametrize(("version", "task"), [("2_1", "inpaint"), ("2_2", "img2img")])
def test_off_leaves_pictures_as_they_are(
    version: str, task: str, direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    """diffusers stretches them, however `resize` is set."""
    ask = Ask(version, task, **SQUARE)
    files = pictures(Ask(version, task, height=96, width=192))
    given = [f"inputs.{name}={files[name]}" for name in INPUTS[task]]
    made, fitted = (drawn(ask, *given, way)[0] for way in (OFF, "corrections=on"))
    assert np.array_equal(made, direct.draw(ask, files, naive=True))
    assert not np.array_equal(made, fitted)


@pytest.mark.slow
def test_off_takes_a_box_as_the_array_of_the_guide(
    direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    ask = Ask("2_2", "inpaint", **SQUARE)
    files = pictures(Ask("2_2", "inpaint", height=96, width=192))
    mask = np.zeros((96, 192), dtype=np.float32)
    mask[10:70, 20:150] = 1
    told = direct.embeddings(ask, files, iter([generator()]), naive=True)
    expected = direct.decoder(ask, naive=True)(
        **told, image=opened(files["image"]), mask_image=mask, **SQUARE,
        num_inference_steps=STEPS, guidance_scale=ask.guidance, generator=generator(),
    ).images[0]  # fmt: skip
    box = ["inputs.mask=null", "inputs.mask_box=[20,10,150,70]"]
    (made,) = drawn(ask, f"inputs.image={files['image']}", *box, OFF)
    assert np.array_equal(made, pixels(expected))


@pytest.mark.slow
def test_off_draws_what_on_refuses(
    direct: Direct, drawn: Drawn, pictures: Sized, refused: Refused
) -> None:
    """Where diffusers gives a picture: of noise, or of an embedding that is too long."""
    ask = Ask("2_1", "img2img", **SQUARE)
    none = "strength=0.1"
    assert refused(ask, none).startswith("strength=0.1: ")
    told = direct.embeddings(ask, pictures(ask), iter([generator()]), naive=True)
    noise = direct.decoder(ask, naive=True)(
        **told, prompt=PROMPT, image=opened(pictures(ask)["image"]), **SQUARE, strength=0.1,
        num_inference_steps=STEPS, guidance_scale=ask.guidance, generator=generator(),
    ).images[0]  # fmt: skip
    assert np.array_equal(drawn(ask, none, OFF)[0], pixels(noise))

    ask = Ask("2_2", "interpolate", **SQUARE)
    file = pictures(ask)["image"]
    items = f"interpolate.items=[{{text:'{PROMPT}',weight:1}},{{image:'{file}',weight:1}}]"
    mixed = direct.pipeline(*PRIORS["2_2"]).interpolate(
        [PROMPT, opened(file)], [1, 1], num_inference_steps=STEPS, generator=generator()
    )
    long = direct.decoder(ask, naive=True)(
        **mixed, **SQUARE, num_inference_steps=STEPS, guidance_scale=4.0, generator=generator()
    ).images[0]
    assert np.array_equal(drawn(ask, items, OFF)[0], pixels(long))


@pytest.mark.parametrize(
    ("ask", "overrides", "key"),
    [
        (Ask("2_1", "img2img"), (), "height=64"),
        (Ask("2_2", "controlnet_img2img"), (), "height=64"),
        (Ask("2_2", "inpaint", height=100), (), "height=100"),
        (Ask("2_2", "controlnet"), ("height=128",), "inputs.hint="),
        (Ask("3", "img2img"), ("height=128",), "height=128"),
        (Ask("2_2", "img2img"), ("strength=0.1",), "strength=0.1"),
        (
            Ask("2_2", "text2img", negative=NEGATIVE),
            ("negative_prompt_for=prior",),
            "negative_prompt_for=prior",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_off_refuses_where_diffusers_gives_no_picture(
    ask: Ask, overrides: tuple[str, ...], key: str, refused: Refused
) -> None:
    assert refused(ask, OFF, *overrides).startswith(key)


# Pairs with and without a negative prompt


def embedding(store: Path, manifest: dict[str, Any]) -> torch.Tensor:
    (image,) = manifest["images"]
    (file,) = store.rglob(f"*{image['stage_keys']['prior']}*/*.safetensors")
    return load_file(file)["image_embeds"]


@pytest.mark.parametrize("version", ["2_1", "2_2"])
def test_a_negative_prompt_leaves_the_noise_alone(
    version: str, direct: Direct, drawn: Drawn, pictures: Sized, tmp_path: Path
) -> None:
    """Told to the decoder alone it leaves the prompt's embedding as it is, bit for bit; the prior
    is told it at the same noise, as two generators of one seed give it in a call for both.
    """
    ask = Ask(version, "text2img", seeding="shared", **SQUARE)
    kept = ("cache=refresh", f"output_dir={tmp_path / 'outputs'}")
    found = {}
    for told in ("", "both", "decoder"):
        negative = [f"negative_prompt={NEGATIVE}", f"negative_prompt_for={told}"] if told else []
        drawn(ask, *kept, *negative)
        made = Made(tmp_path / "outputs")
        found[told] = embedding(tmp_path / "outputs" / ".cache", made.manifest)
    assert torch.equal(found[""], found["decoder"])
    twice = direct.prior(
        ask, PROMPT, [generator(), generator()], negative_prompt=NEGATIVE
    ).image_embeds
    assert torch.allclose(found["both"], twice, atol=1e-4)
    assert not torch.allclose(found["both"], found[""], atol=1e-2)
    apart = direct.prior(ask, PROMPT, generator(), negative_prompt=NEGATIVE).image_embeds
    assert not torch.allclose(found["both"], apart, atol=1e-2), "naive: other noise"


@pytest.mark.parametrize(
    ("ask", "corrected"),
    [
        (Ask("2_2", "img2img"), ["sizes_exchanged"]),
        (Ask("2_2", "img2img", **SQUARE), []),
        (Ask("3", "text2img", negative=NEGATIVE, **SQUARE), ["texts_filled_up", "guidance_raised"]),
    ],
    ids=["corrected", "nothing to correct", "3"],
)
def test_what_was_corrected_is_recorded(
    ask: Ask, corrected: list[str], drawn: Drawn, tmp_path: Path
) -> None:
    drawn(ask)
    manifest = Made(tmp_path / "outputs").manifest
    assert manifest["config"]["corrections"] == "on"
    (image,) = manifest["images"]
    assert (image["corrected"], image["left_as_in_diffusers"]) == (corrected, [])
    drawn(ask, OFF)
    manifest = Made(tmp_path / "outputs").manifest
    (image,) = manifest["images"]
    assert (image["corrected"], image["left_as_in_diffusers"]) == ([], corrected)
    assert manifest["config"]["corrections"] == "off"
