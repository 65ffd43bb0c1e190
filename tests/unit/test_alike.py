"""Pictures that must come out the same although their configs differ are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from unit.conftest import Command

SAME = "come out the same"
PICTURE = ("task=img2img", "inputs.image=a.png", "decoder.num_inference_steps=4")
MASKED = ("task=inpaint", "inputs.image=a.png")
SOLVER = ("scheduler=dpmpp_2m",)
MIX = "[{{text:{},weight:{}}},{{text:{},weight:{}}}]"
RED_ALONE = f"{MIX.format('red', 1, 'blue', 0)},{MIX.format('red', 1, 'green', 0)}"
BOTH_WAYS = f"{MIX.format('red', 1, 'blue', 0)},{MIX.format('red', 0, 'blue', 1)}"
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
        (["-m", "scheduler=ddim", "scheduler.eta=null,0"], "(scheduler.eta=null) and 1"),
        (["-m", *SOLVER, "scheduler.solver_order=null,2"], "(scheduler.solver_order=null) and 1"),
        (["-m", *SOLVER, "scheduler.solver_order=2,3"], None),
        (
            ["-m", *SOLVER, "scheduler.solver_order=2,3", "decoder.num_inference_steps=4"],
            "(scheduler.solver_order=2) and 1",
        ),
        (["-m", "decoder.guidance_scale=4,4.00000001"], "(decoder.guidance_scale=4) and 1"),
        (['prompt=["caf\u00e9","cafe\u0301"]'], "are the same to the model"),
        (["model=kandinsky3", 'prompt=["caf\u00e9","cafe\u0301"]'], None),
        (['prompt=["caf\u00e9","cafe"]'], None),
        (["-m", *PICTURE, "inputs.image=a.png,b.bmp"], "(inputs.image=a.png) and 1"),
        (["-m", *MASKED, "inputs.mask_box=[0,0,9,9],[0,0,16,16]"], "cells 0"),
        (["-m", *MASKED, "inputs.mask_box=[0,0,8,9],[0,0,16,16]"], None),
        (["-m", "task=interpolate", f"interpolate.items={RED_ALONE}"], "cells 0 (interpolate."),
        (["-m", "task=interpolate", f"interpolate.items={BOTH_WAYS}"], None),
        # Meant to be the same: what differs is how they are run.
        (["-m", "threads=1,2"], None),
    ],
)
def test_what_must_come_out_the_same_is_told(
    command: Command, pictures: Callable[[Path], None], overrides: list[str], told: str | None
) -> None:
    pictures(Path())
    Image.open("a.png").convert("RGB").save("b.bmp")
    said = command("plan", *overrides)
    assert said.status == 0, said.err
    assert said.out.count(SAME) == (told is not None), said.out
    assert told is None or told in said.out


def test_a_cell_that_is_there_twice_is_told(command: Command) -> None:
    said = command("plan", "-m", "precision=fp32,fp32")
    assert "warning, 1 cell: cells 0 and 1 (precision=fp32) are the same\n" in said.out
