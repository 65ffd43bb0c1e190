"""Stage `read_image`: file -> RGB picture at the size that is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.config.choices import Resize
from runner.errors import StageError
from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.images.geometry import resized
from runner.images.inputs import open_rgb
from runner.system.hashes import file_sha256


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns an RGB image of `size` (width, height); of its own size where that is None."""
    check_unchanged(node, "image")
    image = open_rgb(node.files["image"])
    size = node.params["size"]
    if size is None:
        return image
    assert isinstance(size, list)
    width, height = (int(str(side)) for side in size)
    return resized(image, width, height, Resize[node.text("resize")])


def check_unchanged(node: Node, name: str) -> None:
    """Raises StageError where the file was changed after the plan was made."""
    path = node.files[name]
    try:
        unchanged = file_sha256(path) == node.params["sha256"]
    except OSError as error:
        raise StageError(f"{path} cannot be read any more: {error.strerror}") from error
    if not unchanged:
        raise StageError(f"{path} was changed after the run was planned; run it again")
