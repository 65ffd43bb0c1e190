"""A picture that another cell of the sweep draws, run in another way: on another device, say.

It is lent to whoever compares with it (`Store.lend`), once that cell has drawn it. To be run, this
stage only comes where there is no such picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from runner.errors import StageError
from runner.graph.node import Node
from runner.graph.values import OnStep, Value


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> NoReturn:
    """Raises StageError."""
    raise StageError(f"the cell to compare with has not drawn its picture of {node.label}")
