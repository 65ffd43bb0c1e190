"""Pictures that must come out the same although their configs differ are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unit.conftest import Command

SAME = "come out the same"
PICTURE = ("task=img2img", "inputs.image=a.png", "decoder.num_inference_steps=4")
LONG = "a red circle " * 40


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["seeds=[1,4294967297]"], "seeds '1' and '4294967297'"),
        (["seeds=[1,4294967298]"], None),
        (["prompt=[a red circle,a  Red circle]"], "prompts 'a red circle' and 'a Red circle'"),
        (["prompt=[a red circle,a red circle]"], "'a red circle' is there twice"),
        (["model=kandinsky3", "prompt=[a red circle,a Red circle]"], None),
        ([f"prompt=['{LONG}one','{LONG}two']"], "prompts"),
        (["-m", "seeds=[3],[4294967299]"], "cells 0 (seeds=[3]) and 1 (seeds=[4294967299])"),
        (["-m", "seeds=[3],[4]"], None),
        (["-m", *PICTURE, "strength=0.5,0.6"], "cells 0 (strength=0.5) and 1 (strength=0.6)"),
        (["-m", *PICTURE, "strength=0.5,0.8"], None),
        (["-m", *PICTURE, "resize=cover,fit"], "cells 0 (resize=cover) and 1 (resize=fit)"),
        (["-m", "decoder.guidance_scale=0,1"], "cells 0 (decoder.guidance_scale=0) and 1"),
        (["-m", "scheduler=checkpoint,ddim"], "cells 0 (scheduler=checkpoint) and 1"),
        # Meant to be the same: what differs is how they are run.
        (["-m", "threads=1,2"], None),
    ],
)
def test_what_must_come_out_the_same_is_told(
    command: Command, pictures: Callable[[Path], None], overrides: list[str], told: str | None
) -> None:
    pictures(Path())
    said = command("plan", *overrides)
    assert said.status == 0, said.err
    assert said.out.count(SAME) == (told is not None), said.out
    assert told is None or told in said.out
