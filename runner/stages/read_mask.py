"""Stage `read_mask`: file or box -> mask at the size that is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.images.inputs import read_mask
from runner.stages.read_image import check_unchanged


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns an RGB image of black (kept) and white (repainted), in blocks of 8 x 8 pixels; where
    `size` is None, the mask as it was given.

    A block is what the decoder repaints or keeps as a whole (one latent); any white pixel in it
    makes it white. diffusers samples one pixel of each block, and so may lose a small mask.
    """
    if "mask" in node.files:
        check_unchanged(node, "mask")
    return read_mask(node.params, node.files.get("mask"))
