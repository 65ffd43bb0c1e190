"""Settings that a cell does not use: told, and no part of the keys of its nodes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from runner.errors import ConfigError
from runner.planning.planner import make_plan
from unit.conftest import Compose

V21, V3 = "model=kandinsky2_1", "model=kandinsky3"
NEGATIVE = "negative_prompt=a blue square"
NO_PRIOR, NO_DECODER = "prior.guidance_scale=1", "decoder.guidance_scale=1"
MIX = ("task=interpolate", "interpolate.items=[{text: a circle}, {image: a.png}]")
PICTURES = "interpolate.items=[{image: a.png}, {image: b.png}]"
IMG2IMG = ("task=img2img", "inputs.image=a.png")
FROM_BOTH = ("task=controlnet_img2img", "inputs.image=a.png")
INPAINT = ("task=inpaint", "inputs.image=a.png")


@pytest.fixture(autouse=True)
def _pictures(composed: Compose, tmp_path: Path, pictures: Callable[[Path], None]) -> None:
    pictures(tmp_path)


def told(composed: Compose, *overrides: str) -> list[str]:
    found = make_plan(composed("device=cpu", *overrides)).warnings
    return [warning for warning in found if "not used" in warning]


@pytest.mark.parametrize(
    ("given", "key", "used_by"),
    [
        (["strength=0.5"], "strength=0.5", "task=img2img, task=controlnet_img2img"),
        (["resize=fit"], "resize=fit", "a picture in inputs"),
        ([*MIX, "resize=fit"], "resize=fit", "a picture in inputs"),
        ([V3, "seeding=shared"], "seeding=shared", "model=kandinsky2_1 or model=kandinsky2_2"),
        ([V3, "prior.num_inference_steps=7"], "prior.num_inference_steps=7", "model=kandinsky2_1"),
        (["task=interpolate", PICTURES, "prior.guidance_scale=7"], "prior.guidance_scale=7.0",
         "a text, with"),
        ([*IMG2IMG, "prior.strength=0.5"], "prior.strength=0.5", "task=controlnet_img2img"),
        ([*FROM_BOTH, "prior.negative_strength=0.5"], "prior.negative_strength=0.5",
         "with a negative_prompt"),
        ([V3, "quantize.prior=fp8"], "quantize.prior=fp8", "model=kandinsky2_1"),
        (["depth.repo=a/b"], "depth.repo=a/b", "without inputs.hint"),
        (["warmup=3"], "warmup=3", "bench=true"),
        (["negative_prompt_for=prior"], "negative_prompt_for=prior", "a negative_prompt, with"),
        ([V3, NEGATIVE, "negative_prompt_for=prior"], "negative_prompt_for=prior",
         "model=kandinsky2_1"),
        ([*MIX, NEGATIVE, "negative_prompt_for=decoder"], "negative_prompt_for=decoder",
         "task=text2img"),
        ([NEGATIVE, NO_PRIOR, NO_DECODER], "negative_prompt",
         "prior.guidance_scale=1 and decoder.guidance_scale=1 are no guidance"),
        ([V3, NEGATIVE, NO_DECODER], "negative_prompt", "decoder.guidance_scale=1 is no guidance"),
        ([NEGATIVE, NO_PRIOR, "negative_prompt_for=prior"], "negative_prompt",
         "prior.guidance_scale=1 is no guidance"),
        ([*MIX, NEGATIVE, NO_DECODER], "negative_prompt", "decoder.guidance_scale=1 is no"),
    ],
)  # fmt: skip
def test_what_is_not_used_is_told_with_what_uses_it(
    composed: Compose, given: list[str], key: str, used_by: str
) -> None:
    (warning,) = told(composed, *given)
    assert warning.startswith(f"{key} is not used here")
    assert used_by in warning


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["batch_size=auto"],
        [*IMG2IMG, "strength=0.5", "resize=fit", "batch_size=4"],
        [*FROM_BOTH, NEGATIVE, "prior.strength=0.5", "prior.negative_strength=0.5"],
        [*MIX, "prior.num_inference_steps=7", "seeding=shared", "batch_size=4"],
        [NEGATIVE, NO_PRIOR],
        [NEGATIVE, NO_DECODER],
        [V3, NEGATIVE],
        [V21, NEGATIVE, NO_PRIOR, "negative_prompt_for=decoder"],
        ["bench=true", "warmup=3"],
    ],
)
def test_what_is_used_is_not_told(composed: Compose, given: list[str]) -> None:
    assert not told(composed, *given)


@pytest.mark.parametrize(
    ("base", "ways"),
    [
        ([V3, NEGATIVE], [[], ["negative_prompt_for=prior"]]),
        ([*MIX, NEGATIVE], [[], ["negative_prompt_for=decoder"]]),
        ([NO_PRIOR, NO_DECODER], [[], [NEGATIVE], [NEGATIVE, "negative_prompt_for=decoder"]]),
        ([V21, NO_PRIOR, NO_DECODER, "seeding=shared"], [[], [NEGATIVE]]),
        ([V3, NO_DECODER], [[], [NEGATIVE], ["decoder.guidance_scale=0"]]),
        ([NO_DECODER], [[NEGATIVE], [NEGATIVE, "negative_prompt_for=prior"]]),
        ([V21, NO_DECODER], [[NEGATIVE], [NEGATIVE, "negative_prompt_for=prior"]]),
        ([NO_DECODER], [[], [NEGATIVE, "negative_prompt_for=decoder"]]),
        ([NO_PRIOR], [[], [NEGATIVE, "negative_prompt_for=prior"]]),
        ([NO_PRIOR, NEGATIVE], [[], ["negative_prompt_for=decoder"]]),
        ([*MIX, NO_DECODER], [[], [NEGATIVE]]),
        ([*FROM_BOTH, NO_DECODER], [[], [NEGATIVE], [NEGATIVE, "prior.negative_strength=0.5"]]),
        ([], [["strength=0.5"], ["resize=fit"], ["prior.strength=0.5"], ["depth.repo=a/b"]]),
        ([NO_DECODER], [[], ["decoder.guidance_scale=0.5"]]),
        ([NO_PRIOR], [[], ["prior.guidance_scale=0"]]),
    ],
)
def test_cells_that_differ_in_what_is_not_used_are_one_node(
    composed: Compose, base: list[str], ways: list[list[str]]
) -> None:
    plans = [make_plan(composed(*base, *way)) for way in ways]
    assert len({plan.images[0].node.key for plan in plans}) == 1


def test_uncorrected_a_negative_prompt_changes_the_noise_all_the_same(composed: Compose) -> None:
    base = ("corrections=off", NO_PRIOR, NO_DECODER)
    keys = [make_plan(composed(*base, *more)).images[0].node.key for more in ([], [NEGATIVE])]
    assert len(set(keys)) == 2
    assert not told(composed, *base, NEGATIVE)


WHOLE = (0, 0, 128, 128)


@pytest.mark.parametrize(
    ("size", "white", "more", "said"),
    [
        ((128, 128), None, [], "there is no white in it, and inputs.mask_invert=false"),
        ((128, 128), WHOLE, ["inputs.mask_invert=true"], "and inputs.mask_invert=true"),
        ((384, 128), WHOLE, [], "repaints nothing but what is cut off the picture: 384x128"),
        ((384, 128), WHOLE, ["resize=fit"], None),
        ((384, 128), (0, 0, 129, 128), [], None),
        ((128, 128), None, ["inputs.mask_invert=true"], None),
        ((128, 128), (5, 5, 6, 6), [], None),
        ((128, 128), WHOLE, [], None),
    ],
)
def test_a_mask_that_repaints_nothing_is_refused(
    composed: Compose, tmp_path: Path, size: tuple[int, int],
    white: tuple[int, int, int, int] | None, more: list[str], said: str | None,
) -> None:  # fmt: skip
    Image.new("RGB", size, "red").save(tmp_path / "a.png")
    mask = Image.new("L", size)
    ways = ["inputs.mask=mask.png"]
    if white is not None:
        mask.paste(255, white)
        ways.append(f"inputs.mask_box={list(white)}")
    mask.save(tmp_path / "mask.png")
    for way in ways:
        run = composed(*INPAINT, way, *more)
        if said is None:
            assert make_plan(run)
            continue
        with pytest.raises(ConfigError, match="repaints nothing") as caught:
            make_plan(run)
        assert str(caught.value).startswith(way.partition("=")[0])
        assert said in str(caught.value)


@pytest.mark.parametrize("way", ["inputs.mask=mask.png", "inputs.mask_box=[17,0,23,128]"])
def test_a_mask_that_diffusers_does_not_see_is_refused(
    composed: Compose, tmp_path: Path, way: str
) -> None:
    Image.new("RGB", (128, 128), "red").save(tmp_path / "a.png")
    mask = Image.new("L", (128, 128))
    mask.paste(255, (17, 0, 23, 128))
    mask.save(tmp_path / "mask.png")
    assert make_plan(composed(*INPAINT, way))
    with pytest.raises(ConfigError, match="repaints nothing in diffusers") as caught:
        make_plan(composed(*INPAINT, way, "corrections=off"))
    assert caught.value.key == way.partition("=")[0]
