"""Stage `measure`: one metric, from one or more pictures to numbers."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

from runner.errors import StageError
from runner.graph.node import Node
from runner.graph.stage_table import OF_MANY
from runner.graph.values import OnStep, Scores, Value
from runner.metrics.find import load_function
from runner.system.files import expand_home


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Scores:
    """The metric's numbers, by name; a single number has the empty name.

    Raises:
        StageError: it returned something that is not a finite number.
    """
    function = load_function(node.label, node.text("function"))
    images = [inputs[name] for name in sorted(inputs) if name.startswith(OF_MANY)]
    models = {"clip": pipeline, "judge": pipeline}
    given = {**inputs, **models, "images": images, "prompt": node.params.get("prompt")}
    taken = inspect.signature(function).parameters
    arguments = node.params["arguments"]
    content = node.params.get("content", {})
    assert isinstance(arguments, dict)
    assert isinstance(content, dict)
    arguments = {
        name: expand_home(str(value)) if name in content else value
        for name, value in arguments.items()
    }
    measured = function(
        **{name: value for name, value in given.items() if name in taken}, **arguments
    )
    found = dict(measured) if isinstance(measured, Mapping) else {"": measured}
    for name, value in found.items():
        if isinstance(value, bool) or not math.isfinite(value):
            said = f"{name}={value}" if name else value
            raise StageError(f"{node.text('function')} measured {said}, which is no finite number")
    return Scores({name: float(value) for name, value in found.items()})
