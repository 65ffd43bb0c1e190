"""Stage `decode_batch`: embeddings or texts -> images, in one decoder call.

Each image has its own generator, so its noise is the same as when it is drawn alone; sums over a
batch are taken in another order, so its last bits may differ. Input pictures are the same for all:
diffusers' inpainting blends each image with the first one's picture and mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.stages.calls import call, generator_for, steps_run
from runner.stages.decode import (
    corrected,
    embeddings,
    guidance_scale,
    pictures,
    starts_from_picture,
    to_image,
    version_drawn,
)
from runner.stages.finite import check_finite
from runner.stages.members import Member, members_of


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns the RGB images in the members' order."""
    members = members_of(node, inputs)
    version, first = version_drawn(node), members[0]
    conditions = [embeddings(one.inputs, pipeline, version) for one in members]
    arguments = {
        **{name: torch.cat([one[name] for one in conditions]) for name in conditions[0]},
        **_texts(members),
        **{
            name: _repeated(value, len(members))
            for name, value in pictures(first.node, first.inputs, pipeline, version).items()
        },
        "num_inference_steps": node.integer("num_inference_steps"),
        "guidance_scale": guidance_scale(node, version),
        "generator": [generator_for(one.node, one.inputs) for one in members],
        "output_type": "pt",
    }
    with corrected(first.node, first.inputs, pipeline, version):
        output = call(pipeline, on_step, steps_run(node), arguments)
    pixels = getattr(output, version.result)
    check_finite(node, "the decoded pixels", pixels)
    raw = version.decodes_raw and not starts_from_picture(first.inputs)
    return [to_image(one, raw=raw) for one in pixels]


def _texts(members: Sequence[Member]) -> dict[str, Any]:
    """The texts of a decoder that reads them."""
    told: dict[str, Any] = {}
    for name in ("prompt", "negative_prompt"):
        texts = [one.node.params.get(name) for one in members]
        if texts[0] is not None:
            told[name] = texts
    return told


def _repeated(value: Any, count: int) -> Any:
    """A picture once for each image; a number as it is."""
    if isinstance(value, torch.Tensor):
        return value.repeat(count, *(1 for _ in value.shape[1:]))
    return value if isinstance(value, bool | int | float) else [value] * count
