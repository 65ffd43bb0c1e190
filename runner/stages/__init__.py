"""The stages, by name. The table is read without torch; a stage's module is imported to run it.

Raise a stage's `version` whenever a change of its code changes its results: stored ones are then
no longer taken for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from runner.graph import Node
from runner.values import OnStep, Value


class ResultKind(Enum):
    """How a stage's result is stored."""

    tensors = "tensors"
    image = "image"


class StageFunction(Protocol):
    """What a stage's module has as `run`. `pipeline` is the live diffusers pipeline, or None."""

    def __call__(
        self, node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep
    ) -> Value: ...


@dataclass(frozen=True)
class Stage:
    """A row of the table.

    Attributes:
        module: where its `run` is, a StageFunction.
        result: the kind of what `run` returns.
    """

    name: str
    version: int
    module: str
    result: ResultKind


STAGES = {
    stage.name: stage
    for stage in (
        Stage("prior", 1, "runner.stages.prior", ResultKind.tensors),
        Stage("decode", 1, "runner.stages.decode", ResultKind.image),
    )
}
