"""Editing with Kandinsky 5: pictures that a naive call of diffusers takes otherwise, or refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from functional import direct_kandinsky5 as direct5
from functional.asked import Ask, Pictures, Pixels, opened
from functional.cells import planned
from helpers.pixels import furthest
from runner.runs.plan_text import plan_text

Drawn = Callable[..., list[Pixels]]
Sized = Callable[[Ask], Pictures]
Refused = Callable[..., str]


def ask(**changes: Any) -> Ask:
    return Ask("5", "edit", **{"width": 64, **changes})


class SeenSizeError(Exception):
    """The size that a pipeline begins to draw: (height, width)."""


def size_begun(pipe: Any, picture: Image.Image, **given: Any) -> tuple[int, int]:
    """The (height, width) that a direct call begins to draw; what it has read decides nothing."""

    def seen(**begun: Any) -> None:
        raise SeenSizeError(begun["height"], begun["width"])

    pipe.prepare_latents = seen
    names = ("prompt_embeds_qwen", "prompt_embeds_clip", "prompt_cu_seqlens")
    read = {"prompt": None, **dict.fromkeys(names, torch.zeros(1, 1))}
    with pytest.raises(SeenSizeError) as caught:
        direct5.called(ask(guidance=1.0), pipe, image=picture, **read, **given)
    height, width = caught.value.args
    return height, width


def test_an_edited_picture_keeps_its_size(
    random_weights: Path, drawn: Drawn, pictures: Sized
) -> None:
    asked = ask()
    given = opened(pictures(asked)["image"])
    assert size_begun(direct5.editor(random_weights), given) == (1024, 1024)
    assert drawn(asked)[0].shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("picture", "size"),
    [
        ((64, 64), (1024, 1024)), ((1280, 768), (1280, 768)), ((90, 120), (896, 1152)),
        ((90, 160), (768, 1280)), ((10, 90), (640, 1408)), ((600, 4), (1408, 640)),
        # As far from one shape as from another.
        ((64, 56), (1024, 1024)), ((62, 90), (768, 1280)),
    ],
)  # fmt: skip
def test_a_size_that_is_left_open_is_that_of_diffusers(
    picture: tuple[int, int], size: tuple[int, int], random_weights: Path, tmp_path: Path
) -> None:
    """Here and in diffusers, of the published sizes it is the nearest to the picture's shape."""
    (shown := Image.new("RGB", picture)).save(file := tmp_path / "picture.png")
    plan = planned(
        random_weights, tmp_path, "kandinsky5", "task=edit", f"inputs.image={file}", "height=null",
        "width=null", "any_size=false",
    )  # fmt: skip
    begun = size_begun(direct5.editor(random_weights), shown, height=None, width=None)
    assert begun == (plan.height, plan.width) == size[::-1]
    text = plan_text(plan)
    assert f"edit, {size[0]} x {size[1]}, 1 image" in text
    assert "size: the published one that is nearest to the shape of inputs.image" in text
    assert plan.settled["width"] == str(size[0])


def test_a_size_that_is_asked_for_is_not_the_pictures(random_weights: Path, tmp_path: Path) -> None:
    Image.new("RGB", (1280, 768)).save(file := tmp_path / "picture.png")
    asked = (random_weights, tmp_path, "kandinsky5", "task=edit", f"inputs.image={file}")
    plan = planned(*asked, "height=1152", "width=896", "any_size=false")
    assert (plan.height, plan.width) == (1152, 896)
    assert "nearest" not in plan_text(plan)


def test_unipc_edits_from_samples_of_its_own(
    random_weights: Path, drawn: Drawn, pictures: Sized
) -> None:
    asked = ask()
    given = opened(pictures(asked)["image"])
    naive, corrected = (
        direct5.draw(asked, direct5.editor(random_weights, scheduler=name), image=given)
        for name in ("flow_unipc", "copying_unipc")
    )
    assert furthest(naive, corrected) > 5
    (made,) = drawn(asked, "scheduler=flow_unipc")
    assert np.array_equal(made, corrected)


@pytest.mark.parametrize("mode", ["L", "CMYK", "LA"])
def test_pictures_of_other_modes_are_edited(
    mode: str, random_weights: Path, drawn: Drawn, pictures: Sized, tmp_path: Path
) -> None:
    asked = ask(guidance=1.0)
    picture = opened(pictures(asked)["image"]).convert(mode)
    pipe = direct5.editor(random_weights)
    with pytest.raises(RuntimeError):
        direct5.draw(asked, pipe, image=picture)
    file = tmp_path / ("picture.jpg" if mode == "CMYK" else "picture.png")
    picture.save(file)
    (made,) = drawn(asked, f"inputs.image={file}")
    assert np.array_equal(made, direct5.draw(asked, pipe, image=opened(file)))


def test_a_turned_picture_is_edited_upright(
    random_weights: Path, drawn: Drawn, pictures: Sized, tmp_path: Path
) -> None:
    asked = ask(guidance=1.0)
    turns = Image.Exif()
    turns[0x0112] = 6
    opened(pictures(asked)["image"]).save(tmp_path / "turned.png", exif=turns)
    pipe = direct5.editor(random_weights)
    with Image.open(tmp_path / "turned.png") as turned:
        upright = ImageOps.exif_transpose(turned)
        naive = direct5.draw(asked, pipe, image=turned.convert("RGB"))
    (made,) = drawn(asked, f"inputs.image={tmp_path / 'turned.png'}")
    assert np.array_equal(made, direct5.draw(asked, pipe, image=upright))
    assert furthest(made, naive) > 5


def test_a_tiny_picture_is_edited(random_weights: Path, drawn: Drawn, tmp_path: Path) -> None:
    tiny = Image.new("RGB", (1, 1), "red")
    tiny.save(tmp_path / "tiny.png")
    asked = ask(guidance=1.0)
    pipe = direct5.editor(random_weights)
    with pytest.raises(ValueError, match=r"width|height|size"):
        direct5.draw(asked, pipe, image=tiny)
    (made,) = drawn(asked, f"inputs.image={tmp_path / 'tiny.png'}")
    assert np.array_equal(made, direct5.draw(asked, pipe, image=tiny.resize((64, 64))))


def test_too_large_a_picture_is_refused(random_weights: Path, refused: Refused) -> None:
    pipe = direct5.editor(random_weights)
    with pytest.raises(ValueError, match="token"):
        direct5.encoded(pipe, "make it red", Image.new("RGB", (2048, 2048)))
    said = refused(ask(), "height=2048", "width=2048")
    assert "2048x2048 is 1369 tokens of a picture" in said
