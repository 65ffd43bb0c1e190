"""The table of stages. It is read without torch; a stage's module is imported to run it.

Raise a stage's `version` whenever a change of its code changes its results: results stored before
are then not reused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from runner.graph.node import Node
from runner.graph.values import OnStep, Value

MEASURE = "measure"
"""The stage that computes metrics. It is not benchmarked."""

DRAWN_ELSEWHERE = "drawn_elsewhere"
"""A picture that a cell with another execution profile draws, such as on another device."""

OF_MANY = "image_"
"""Prefix of the input names of a metric that measures many pictures together."""

BATCHED_PARAM = "batched"
"""Parameter of a node that may be run in a batch: its last bits depend on the other members. True,
or the names of further inputs that the members have in common.
"""

MEMBER = "members"
"""Parameter of a batch's node: each member's values of the parameters that differ."""

UNCORRECTED = "uncorrected"
"""Parameter of a node: names of the faults of diffusers (`catalog.version.Fault`) that it keeps."""

AWAY_FROM = "away_from"
"""Parameter of a prior's node: the text to guide away from, in place of the empty text."""

GENERATOR = "generator"
"""Input of a prior's node: the stage whose generator it goes on with."""


class ResultKind(Enum):
    """How a stage's result is stored."""

    tensors = "tensors"
    image = "image"
    scores = "scores"
    images = "images"
    many_tensors = "many_tensors"


class StageFunction(Protocol):
    """The signature of a stage's function. `pipeline`: the live pipeline, or None."""

    def __call__(
        self, node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep
    ) -> Value: ...


@dataclass(frozen=True)
class Stage:
    """A row of the table.

    Attributes:
        module: the module that holds its StageFunction; None: it is never run, its result is
            given from outside the graph (`Store.put_external`).
        result: the kind of result that the function returns.
        function: its name.
    """

    name: str
    version: int
    module: str | None
    result: ResultKind
    function: str = "run"


STAGES = {
    stage.name: stage
    for stage in (
        Stage("read_image", 1, "runner.stages.read_image", ResultKind.image),
        Stage("read_mask", 1, "runner.stages.read_mask", ResultKind.image),
        Stage("depth", 1, "runner.stages.depth", ResultKind.image),
        Stage("prior", 1, "runner.stages.prior", ResultKind.tensors),
        Stage("prior_from_image", 1, "runner.stages.prior_from_image", ResultKind.tensors),
        Stage("embed_image", 1, "runner.stages.embed_image", ResultKind.tensors),
        Stage("interpolate", 1, "runner.stages.interpolate", ResultKind.tensors),
        Stage("encode_text", 1, "runner.stages.encode_text", ResultKind.tensors),
        Stage("encode_two_texts", 1, "runner.stages.encode_two_texts", ResultKind.tensors),
        Stage("encode_qwen", 3, "runner.stages.encode_qwen", ResultKind.tensors),
        Stage("decode", 1, "runner.stages.decode", ResultKind.image),
        *(
            Stage(f"{name}_batch", 1, f"runner.stages.{name}", ResultKind.many_tensors, "run_batch")
            for name in ("prior", "prior_from_image", "encode_text", "encode_two_texts")
        ),
        Stage("decode_batch", 1, "runner.stages.decode", ResultKind.images, "run_batch"),
        Stage(MEASURE, 1, "runner.stages.measure", ResultKind.scores),
        Stage(DRAWN_ELSEWHERE, 1, None, ResultKind.image),
    )
}


@dataclass(frozen=True)
class Batched:
    """How nodes of a stage are run together.

    Attributes:
        stage: the stage that runs a batch of them.
        own: parameters that may differ between them.
        own_inputs: inputs that may differ; all others, such as pictures, are the same for all.
    """

    stage: str
    own: tuple[str, ...]
    own_inputs: tuple[str, ...] = ()


BATCHED = {
    "prior": Batched("prior_batch", ("seed", "prompt"), (GENERATOR,)),
    "prior_from_image": Batched("prior_from_image_batch", ("seed", "prompt"), (GENERATOR,)),
    "encode_text": Batched("encode_text_batch", ("prompt",)),
    "encode_two_texts": Batched("encode_two_texts_batch", ("prompt",)),
    "decode": Batched("decode_batch", ("seed", "prompt"), ("prior", "negative", "text")),
}
"""Stages whose nodes can be run together."""

PART_OF = {ResultKind.images: ResultKind.image, ResultKind.many_tensors: ResultKind.tensors}
"""Kind of a batch's result -> the kind of each of its parts."""


def is_external(node: Node) -> bool:
    """Whether a node's result is given from outside its graph, so that it is never run."""
    return STAGES[node.stage].module is None
