"""What passes between the runner and its worker processes, both of one version, over a pipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.engine.observer import Loaded, Ran
from runner.engine.results import Encoded, Made, encode
from runner.graph.node import Node, PipelineSpec
from runner.graph.stage_table import STAGES
from runner.workers.setup import WorkerSetup


@dataclass(frozen=True)
class Start:
    """To the process that the workers are forked from.

    Attributes:
        classes: diffusers classes that are imported before, once for all workers.
        workers: how many are forked; it may have been given more pipes.
        place: accelerators are dealt out in turn by it, where none is named.
    """

    opening: WorkerSetup
    classes: tuple[str, ...]
    workers: int = 1
    place: int = 0


@dataclass(frozen=True)
class Run:
    """To a worker: run a node."""

    node: Node
    inputs: Mapping[str, Encoded]

    @classmethod
    def of(cls, node: Node, inputs: Mapping[str, Made]) -> Run:
        """With its inputs as bytes."""
        return cls(
            node,
            {
                name: encode(STAGES[node.inputs[name].stage].result, made)
                for name, made in inputs.items()
            },
        )


@dataclass(frozen=True)
class Keep:
    """To a worker: only these pipelines are still needed."""

    specs: frozenset[PipelineSpec]


@dataclass(frozen=True)
class Ready:
    """From a worker: it is there, and imports are behind it."""

    pid: int


@dataclass(frozen=True)
class PipelineLoaded:
    loaded: Loaded


@dataclass(frozen=True)
class Started:
    """The node that it was given runs now."""


@dataclass(frozen=True)
class Stepped:
    step: int
    steps: int


@dataclass(frozen=True)
class Relieved:
    how: str


@dataclass(frozen=True)
class Failed:
    """Why a node failed, and the traceback of it, as text."""

    error: str
    traceback: str


Happened = PipelineLoaded | Started | Stepped | Relieved
"""What a worker tells of a running node; its last word is `Ran`, with bytes, or `Failed`."""
FromWorker = Ready | Happened | Ran | Failed
