"""Editing with Kandinsky 5: each cell is the corrected direct call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from functional import direct_kandinsky5 as direct5
from functional.asked import NEGATIVE, Ask, Pictures, Pixels
from functional.asked import opened as opened_picture
from functional.cells import planned
from functional.made import Made

Drawn = Callable[..., list[Pixels]]
Sized = Callable[[Ask], Pictures]
Refused = Callable[..., str]

INSTRUCTION = "make it a big red circle"


def ask(**changes: Any) -> Ask:
    return Ask("5", "edit", **{"prompt": INSTRUCTION, **changes})


@pytest.mark.parametrize(
    ("template", "told", "before"),
    [
        ("published", direct5.PUBLISHED_EDIT, 55), ("whole", None, 49), ("diffusers", None, 54),
    ],
)  # fmt: skip
def test_a_cell_is_its_direct_call(
    template: str, told: str | None, before: int, random_weights: Path, drawn: Drawn,
    pictures: Sized, tmp_path: Path,
) -> None:  # fmt: skip
    asked = ask(negative=NEGATIVE)
    (made,) = drawn(asked, f"edit_template={template}")
    assert Made(tmp_path / "outputs").manifest["config"]["edit_template"] == template
    assert made.std() > 20, "a flat picture equals many"
    given = opened_picture(pictures(asked)["image"])
    pipe = direct5.editor(random_weights, told, before)
    assert np.array_equal(made, direct5.draw(asked, pipe, image=given))


@pytest.mark.parametrize(
    ("overrides", "direct"),
    [
        (("scheduler=flow_dpmpp_2m",), {"scheduler": "flow_dpmpp_2m"}),
        (
            ("scheduler=flow_euler", "scheduler.schedule=reference"), {"scheduler": "reference"},
        ),
        (("precision=bf16",), {"dtype": torch.bfloat16}),
    ],
    ids=["dpmpp", "reference", "bf16"],
)  # fmt: skip
def test_how_a_cell_is_drawn_is_that_of_its_direct_call(
    overrides: tuple[str, ...], direct: dict[str, Any], random_weights: Path, drawn: Drawn,
    pictures: Sized,
) -> None:  # fmt: skip
    asked = ask(width=64)
    (made,) = drawn(asked, *overrides)
    pipe = direct5.editor(random_weights, **direct)
    given = opened_picture(pictures(asked)["image"])
    assert np.array_equal(made, direct5.draw(asked, pipe, image=given))


def states(pipe: Any, text: str, picture: Image.Image) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = pipe.encode_prompt(text, picture)[0]
    return found


@pytest.mark.parametrize(
    ("told", "before", "lost"),
    [(direct5.PUBLISHED_EDIT, 55, 3), (None, 54, 5), (None, 49, 0)],
    ids=["published", "diffusers", "whole"],
)
def test_how_much_of_an_instruction_a_template_loses(
    told: str | None, before: int, lost: int, random_weights: Path
) -> None:
    """As the option says: left are tokens of words, of the picture (4 at 64 px), and 3 marks."""
    pipe = direct5.editor(random_weights, told, before)
    picture = Image.new("RGB", (64, 64), "red")
    words = len(INSTRUCTION.split())
    assert states(pipe, INSTRUCTION, picture).shape[1] == words + 4 + 3 - lost


def test_a_picture_of_another_shape_is_cut_once_for_both(
    random_weights: Path, drawn: Drawn, pictures: Sized, tmp_path: Path
) -> None:
    asked = ask()
    wide = opened_picture(pictures(asked)["image"]).resize((512, 64))
    wide.save(tmp_path / "wide.png")
    (made,) = drawn(asked, f"inputs.image={tmp_path / 'wide.png'}")
    cut = wide.crop((192, 0, 320, 64))
    pipe = direct5.editor(random_weights)
    assert np.array_equal(made, direct5.draw(asked, pipe, image=cut))
    assert not np.array_equal(made, direct5.draw(asked, pipe, image=wide)), "stretched, and whole"


def test_a_picture_with_a_channel_more_is_edited(
    random_weights: Path, drawn: Drawn, pictures: Sized, tmp_path: Path
) -> None:
    asked = ask()
    picture = opened_picture(pictures(asked)["image"])
    picture.convert("RGBA").save(tmp_path / "more.png")
    (made,) = drawn(asked, f"inputs.image={tmp_path / 'more.png'}")
    pipe = direct5.editor(random_weights)
    assert np.array_equal(made, direct5.draw(asked, pipe, image=picture))
    with pytest.raises(RuntimeError):
        direct5.draw(asked, pipe, image=picture.convert("RGBA"))


def test_what_cannot_be_edited_is_refused_by_the_plan(refused: Refused) -> None:
    assert "any_size=true" in refused(ask(), "any_size=false")
    big = refused(ask(), "height=2048", "width=2048")
    assert "2048x2048 is 1369 tokens of a picture" in big
    assert "tasks=" not in big
    assert "was published for Kandinsky 5 alone" in refused(ask(), "model=kandinsky3")


def test_a_picture_counts_for_the_text_and_what_it_is_read_with_for_the_key(
    random_weights: Path, tmp_path: Path, pictures: Sized
) -> None:
    given = pictures(Ask("5", "edit", width=64))

    def key(image: Path, *overrides: str) -> str:
        plan = planned(
            random_weights, tmp_path, "kandinsky5", "task=edit", f"inputs.image={image}", *overrides
        )
        return plan.images[0].node.inputs["text"].key

    keys = [key(given["image"]), key(given["hint"]), key(given["image"], "edit_template=whole")]
    assert len(set(keys)) == 3
    assert key(given["image"], "decoder.guidance_scale=1", "seeds=[4]") == keys[0]
