"""Stage `depth`: picture -> depth picture, for the depth ControlNet (2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from runner.graph.node import Node
from runner.graph.values import OnStep, Value


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns a grey RGB image of the picture's size; bright is near."""
    picture = inputs["image"]
    assert isinstance(picture, Image.Image)
    depth: Image.Image = pipeline(picture)["depth"]
    return depth.convert("L").convert("RGB")
