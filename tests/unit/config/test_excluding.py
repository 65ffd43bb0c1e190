"""What is said anew takes the place of what it excludes."""

from __future__ import annotations

import pytest

from runner.config.excluding import is_said


@pytest.mark.parametrize(
    ("recorded", "said", "task", "replaced"),
    [
        ("prompt", "prompt_file", None, True),
        ("prompt_template", "prompt", None, True),
        ("negative_prompt", "prompt", None, False),
        ("inputs.mask", "inputs.mask_box", "inpaint", True),
        ("inputs.mask_invert", "inputs.mask_box", "inpaint", False),
        ("inputs.hint", "inputs.image", "controlnet", True),
        ("inputs.hint", "inputs.image", "controlnet_img2img", False),
        ("inputs.hint", "inputs", "controlnet_img2img", True),
        ("scheduler.eta", "scheduler", None, True),
    ],
)
def test_what_a_key_excludes(recorded: str, said: str, task: str | None, replaced: bool) -> None:
    assert is_said(recorded, {said}, task) is replaced
