"""`batch_size`: several images a call, with the noise of each image alone."""

from __future__ import annotations

from typing import Any

import pytest

from functional.made import Made
from helpers.pixels import furthest, read_pixels

PROMPTS = 'prompt=["a red circle on a white background","a blue square"]'
SEEDS = "seeds=[0,1,2]"
LEVELS = 2
"""Of 255: sums over a batch are taken in another order."""


def furthest_of(one: Made, other: Made) -> int:
    pairs = zip(one.files, other.files, strict=True)
    return max(furthest(read_pixels(a), read_pixels(b)) for a, b in pairs)


def key(made: Made) -> str:
    return str(made.manifest["images"][0]["stage_keys"]["decode"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheduler", "more"),
    [("ddim", ()), ("ddpm", ()), ("ddpm", ("workers=2",)), ("ddpm", ("seeding=shared",))],
)  # DDPM draws noise at each step, DDIM at the first alone
def test_images_are_those_that_are_made_alone(
    kandinsky: Any, scheduler: str, more: tuple[str, ...]
) -> None:
    given = (PROMPTS, SEEDS, f"scheduler={scheduler}", *more)
    alone: Made = kandinsky(*given)
    together: Made = kandinsky(*given, "batch_size=4")
    assert furthest_of(alone, together) <= LEVELS
    assert len({image["sha256"] for image in together.manifest["images"]}) == 6
    assert key(alone) != key(together)  # bit for bit they are not the same


@pytest.mark.slow
def test_what_is_stored_goes_for_any_size_of_batch(kandinsky: Any) -> None:
    first: Made = kandinsky(PROMPTS, "seeds=[0,1]", "batch_size=2")
    more: Made = kandinsky(PROMPTS, SEEDS, "batch_size=3")
    reused = [image["reused"] for image in more.manifest["images"]]
    assert reused == [True, True, False] * 2
    assert key(first) == key(more)


@pytest.mark.slow
def test_interpolations_go_together(kandinsky: Any) -> None:
    given = (
        "task=interpolate", "interpolate.items=[{text: a red circle}, {text: a blue square}]",
        SEEDS, "negative_prompt=a cross",
    )  # fmt: skip
    assert furthest_of(kandinsky(*given), kandinsky(*given, "batch_size=3")) <= LEVELS


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [
        ("model=kandinsky2_1",),
        ("model=kandinsky3", "height=128", "width=128"),
        ("task=img2img", "inputs.image=${example:circle.png}", "strength=0.7"),
        ("task=controlnet", "inputs.hint=${example:depth_of_a_cross.png}"),
    ],
)
def test_others_are_made_one_by_one_and_are_the_same(
    kandinsky: Any, given: tuple[str, ...]
) -> None:
    alone: Made = kandinsky(*given)
    asked: Made = kandinsky(*given, "batch_size=4")
    assert alone.hashes == asked.hashes
    assert key(alone) == key(asked)
    assert asked.manifest["images"][0]["reused"]


@pytest.mark.slow
def test_auto_is_one_by_one_on_a_cpu(kandinsky: Any) -> None:
    alone: Made = kandinsky()
    auto: Made = kandinsky("batch_size=auto")
    assert key(alone) == key(auto)
