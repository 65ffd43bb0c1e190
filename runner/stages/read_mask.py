"""Stage `read_mask`: file or box -> mask at the size that is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.config.choices import Resize
from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.images.geometry import aligned_mask, mask_of_box, resized_mask
from runner.images.inputs import grey_mask_of_file, mask_of_file
from runner.stages.read_image import check_unchanged


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns an RGB image of black (kept) and white (repainted), in blocks of 8 x 8 pixels; where
    `size` is None, the mask as it was given.

    A block is what the decoder repaints or keeps as a whole (one latent); any white pixel in it
    makes it white. diffusers samples one pixel of each block, and so may lose a small mask.
    """
    params, size = node.params, node.params["size"]
    invert = bool(params["invert"])
    if "mask" in node.files:
        check_unchanged(node, "mask")
        if size is None:
            return grey_mask_of_file(node.files["mask"], invert=invert).convert("RGB")
        mask = mask_of_file(node.files["mask"], invert=invert)
    else:
        box, whole = _integers(params["box"]), _integers(params["original_size"])
        mask = mask_of_box((whole[0], whole[1]), (box[0], box[1], box[2], box[3]), invert=invert)
        if size is None:
            return mask.convert("RGB")
    width, height = _integers(size)
    mask = resized_mask(mask, width, height, Resize[node.text("resize")])
    return aligned_mask(mask).convert("RGB")


def _integers(value: Any) -> list[int]:
    assert isinstance(value, list)
    return [int(number) for number in value]
