"""The inputs of each task, for all tests that go through the tasks: a new task is a row in each
table.

The pictures are those of `unit.conftest.write_pictures`, in the working directory.
"""

from __future__ import annotations

from runner.catalog.schedulers import FITTING
from runner.catalog.tasks import TASKS
from runner.catalog.versions import VERSIONS

IMAGE = "inputs.image=a.png"
TWO_TEXTS = "interpolate.items=[{text: a, weight: 0.5}, {text: b, weight: 0.5}]"

NEEDS: dict[str, tuple[str, ...]] = {
    "text2img": (),
    "img2img": (IMAGE,),
    "inpaint": (IMAGE, "inputs.mask=mask.png"),
    "interpolate": (
        "interpolate.items=[{text: cat, weight: 0.25}, {image: a.png, weight: 0.25},"
        "{text: dog, weight: 0.5}]",
    ),
    "controlnet": (IMAGE,),
    "controlnet_img2img": (IMAGE,),
    "edit": (IMAGE,),
}
"""The overrides that a task cannot do without."""

INPUT_VALUES = {
    "image": "a.png",
    "mask": "mask.png",
    "mask_box": "[0,0,8,8]",
    "mask_invert": "true",
    "hint": "a.png",
}
"""A right value for each key of `inputs` that a task may take."""

READ = "read_image()"
DEPTH = f"depth(image={READ})"
FROM_IMAGE = f"prior_from_image(image={READ})"
MIX = f"interpolate(item0=prior(), item1=embed_image(image={READ}), item2=prior())"
SHOWN = f"encode_qwen(image={READ})"
SHAPES = {
    "text2img": "decode({texts})",
    "img2img": f"decode(image={READ}, {{texts}})",
    "inpaint": f"decode(image={READ}, mask=read_mask(), {{texts}})",
    "interpolate": f"decode(prior={MIX})",
    "controlnet": f"decode(hint={DEPTH}, {{texts}})",
    "controlnet_img2img": f"decode(hint={DEPTH}, image={READ}, prior={FROM_IMAGE})",
    "edit": f"decode(image={READ}, negative_text={SHOWN}, text={SHOWN})",
}
"""The graph of a task with these overrides, as stage(input=stage(...)); {texts}: as the version
reads them.
"""

TEXTS = {
    "kandinsky2_0": "text=encode_two_texts()",
    "kandinsky2_1": "prior=prior()",
    "kandinsky2_2": "prior=prior()",
    "kandinsky3": "text=encode_text()",
    "kandinsky5": "negative_text=encode_qwen(), text=encode_qwen()",
}

SCHEDULER = {
    version: next(name for name in FITTING[row.flow] if name != "checkpoint")
    for version, row in VERSIONS.items()
}
"""One by name that each version may have."""

CELLS = [
    (version, task) for version, row in VERSIONS.items() for task in TASKS if task in row.tasks
]
"""(version, task) of all that can be drawn."""

REFUSED = [
    (version, task) for version, row in VERSIONS.items() for task in TASKS if task not in row.tasks
]
"""(version, task) of all that is refused."""
