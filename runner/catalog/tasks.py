"""Tasks, a row each: the inputs that each takes and needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class OneOf:
    """Two keys of `inputs` of which exactly one is given.

    Attributes:
        allowed: the allowed inputs, for messages.
    """

    first: str
    second: str
    allowed: str


@dataclass(frozen=True, eq=False)
class Task:
    """A task, and the parts of the config that it uses.

    Attributes:
        name: its name in the config.
        takes: the keys of `inputs` that it takes; all others must be left out.
        needs: the keys of `inputs` that are required.
        one_of: two keys of `inputs`, of which exactly one is required.
        uses_strength: the decoder starts from a picture, so `strength` cuts its schedule.
        uses_prior_strength: the prior starts from a picture, so `prior.strength` and
            `prior.negative_strength` cut its schedule.
        combined: diffusers has a combined pipeline, of prior and decoder with one generator.
        mixes: `interpolate.items` replace the prompt, and at least two are required.
        tells_one: the negative prompt always goes to only one of prior and decoder, so
            `negative_prompt_for` has no meaning.
        shows_picture: the text encoder sees the picture too.
        shaped_by_picture: where no size is asked for, an image has that published size whose shape
            is nearest to the picture's.
        refusal: why a version that has no checkpoints for it cannot do it; {version}: its title.
    """

    name: str
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    one_of: OneOf | None = None
    uses_strength: bool = False
    uses_prior_strength: bool = False
    combined: bool = False
    mixes: bool = False
    tells_one: bool = False
    shows_picture: bool = False
    shaped_by_picture: bool = False
    refusal: str = "no model of Kandinsky {version} does it"


NO_CONTROLNET = "the depth ControlNet was published for Kandinsky 2.2 alone"

ROWS = (
    Task("text2img", combined=True),
    Task("img2img", takes=("image",), needs=("image",), uses_strength=True, combined=True),
    Task(
        "inpaint",
        takes=("image", "mask", "mask_box", "mask_invert"),
        needs=("image",),
        one_of=OneOf("mask", "mask_box", "a picture (white = repaint), or [x0,y0,x1,y1]"),
        combined=True,
        refusal="no inpainting model of Kandinsky {version} was published",
    ),
    Task(
        "interpolate",
        mixes=True,
        tells_one=True,
        refusal="Kandinsky {version} has no prior whose embeddings could be mixed",
    ),
    Task(
        "controlnet",
        takes=("image", "hint"),
        one_of=OneOf("hint", "image", "a depth picture, or a picture to make one from"),
        refusal=NO_CONTROLNET,
    ),
    Task(
        "controlnet_img2img",
        takes=("image", "hint"),
        needs=("image",),
        uses_strength=True,
        uses_prior_strength=True,
        tells_one=True,
        refusal=NO_CONTROLNET,
    ),
    Task(
        "edit",
        takes=("image",),
        needs=("image",),
        shows_picture=True,
        shaped_by_picture=True,
        refusal="a model that edits by instruction was published for Kandinsky 5 alone",
    ),
)

TASKS: Mapping[str, Task] = {task.name: task for task in ROWS}
"""Tasks by name, in display order."""
