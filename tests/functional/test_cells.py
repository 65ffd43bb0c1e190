"""Every cell's pixels are those of a direct call of diffusers, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from functional.asked import (
    DECODERS,
    NEGATIVE,
    PRIORS,
    SEED,
    Ask,
    Pictures,
    Pixels,
)
from functional.cells import drawn as drawn_by
from functional.cells import opened, planned
from functional.direct import Direct

Drawn = Callable[..., list[Pixels]]
Sized = Callable[[Ask], Pictures]

LONG_NEGATIVE = "low quality picture of a bright yellow square and a dark purple triangle"
PORTRAIT: dict[str, Any] = {"height": 128, "width": 64}

PLAIN = [Ask(version, task, negative=NEGATIVE) for version, task in DECODERS]
"""One a cell, for a quick look."""

CHANGES: list[dict[str, Any]] = [
    {**PORTRAIT, "negative": None, "seeding": "shared"},
    {"negative": None, "guidance": 1.0, "scheduler": "ddpm"},
    {**PORTRAIT, "guidance": 1.0, "seeding": "shared"},
]
"""With what `PLAIN` asks for, nearly all pairs of size, negative prompt, guidance, scheduler and
seeding.
"""
VARIED = [
    replace(ask, **changes)
    for number, ask in enumerate(PLAIN)
    for turn, changes in enumerate(CHANGES)
    if ask.task == "text2img" or turn == number % len(CHANGES)
]
"""The tasks of a version share most of their lines: of the others each has one change."""

SCHEDULED = [
    Ask(version, "text2img", scheduler=scheduler, **changes)
    for version, *names in (
        ("2_0", "lcm"),
        ("2_1", "ddim", "dpmpp_2m"),
        ("2_2", "ddim", "dpmpp_2m", "lcm"),
        ("3", "dpmpp_2m", "lcm"),
    )
    for scheduler, changes in (
        ("ddim", PORTRAIT),
        ("dpmpp_2m", {"negative": NEGATIVE, "guidance": 1.0}),
        ("lcm", {"negative": NEGATIVE, "seeding": "shared"}),
    )
    if scheduler in names
] + [
    Ask("2_1", "inpaint", scheduler="dpmpp_2m"),
    Ask("2_2", "img2img", scheduler="dpmpp_2m"),
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
    Ask("2_2", "text2img", scheduler="ddpm"),
    Ask("2_2", "img2img", **PORTRAIT),
    Ask("2_2", "inpaint"),
    Ask("2_2", "inpaint", guidance=1.0),
]
"""Without a negative prompt, which changes the noise there; test_corrections.py has those."""


@pytest.mark.slow
@pytest.mark.parametrize("ask", COMBINED, ids=name)
def test_shared_seeding_is_the_combined_pipeline(
    ask: Ask, direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    (made,) = drawn(replace(ask, seeding="shared"))
    assert np.array_equal(made, direct.draw_combined(ask, pictures(ask)))


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["ddim", "ddpm"])
def test_a_longer_negative_prompt_of_kandinsky_3(
    scheduler: str, direct: Direct, drawn: Drawn
) -> None:
    ask = Ask("3", "text2img", negative=LONG_NEGATIVE, scheduler=scheduler)
    (made,) = drawn(ask)
    assert np.array_equal(made, direct.each_text_by_itself(ask))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "task"), [cell for cell in DECODERS if cell[1] in ("text2img", "img2img")]
)
def test_what_is_asked_for_changes_the_pixels(
    version: str, task: str, random_weights: Path, pictures: Sized, tmp_path: Path
) -> None:
    """Else the equalities above could hold because something is ignored on both sides. On the same
    live pipelines, as loading them takes most of a command.
    """
    ask = Ask(version, task)
    changes = [[], [f"seeds=[{SEED + 1}]"], ["negative_prompt=low quality"]]
    if task == "text2img":
        # The other tasks of a version read these by the same lines.
        changes += [
            ["scheduler=dpmpp_2m"], ["decoder.guidance_scale=1"], ["decoder.num_inference_steps=4"],
        ]  # fmt: skip
        if version in PRIORS:
            changes += [["prior.guidance_scale=1"], ["seeding=shared"]]
    if task == "img2img":
        changes += [["strength=1"]]
    model, *asked = ask.overrides(pictures(ask))
    plans = []
    for change in changes:
        given = {override.partition("=")[0]: override for override in (*asked, *change)}
        name = model.removeprefix("model=")
        plans.append(planned(random_weights, tmp_path, name, "cache=off", *given.values()))
    pipelines = opened(plans[0], keep_all=True)
    made = {drawn_by(plan, pipelines).pixels.tobytes() for plan in plans}
    assert len(made) == len(changes)
