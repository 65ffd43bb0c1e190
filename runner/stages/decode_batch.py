"""Stage `decode_batch`: embeddings -> images, in one decoder call, without input pictures.

Each image has its own generator, so its noise is the same as when it is drawn alone; sums over a
batch are taken in another order, so its last bits may differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from runner.graph.node import Node
from runner.graph.stage_table import MEMBER
from runner.graph.values import OnStep, Value
from runner.stages.calls import call, generator_for
from runner.stages.decode import embeddings, guidance_scale, to_image, version_drawn
from runner.stages.finite import check_finite


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns the RGB images in the members' order."""
    members = node.params[MEMBER]
    assert isinstance(members, list)
    parts = [_inputs_of(number, inputs) for number in range(len(members))]
    version = version_drawn(node)
    conditions = [embeddings(part, pipeline, version) for part in parts]
    steps = node.integer("num_inference_steps")
    output = call(
        pipeline, on_step, steps,
        {
            **{name: torch.cat([one[name] for one in conditions]) for name in conditions[0]},
            "num_inference_steps": steps,
            "guidance_scale": guidance_scale(node, version),
            "height": node.integer("height"),
            "width": node.integer("width"),
            "generator": [
                generator_for(
                    _seed(member), node.text("seeding"), part, node.inputs.get(f"{number}.negative")
                )
                for number, (member, part) in enumerate(zip(members, parts, strict=True))
            ],
            "output_type": "pt",
        },
    )  # fmt: skip
    pixels = getattr(output, version.result)
    check_finite(node, "the decoded pixels", pixels)
    return [to_image(one, raw=version.decodes_raw) for one in pixels]


def _inputs_of(number: int, inputs: Mapping[str, Value]) -> dict[str, Value]:
    prefix = f"{number}."
    return {
        name.removeprefix(prefix): value
        for name, value in inputs.items()
        if name.startswith(prefix)
    }


def _seed(member: Any) -> int:
    seed = member["seed"]
    assert isinstance(seed, int)
    return seed
