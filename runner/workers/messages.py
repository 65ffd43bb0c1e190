"""The messages between the runner and its workers. Both sides are of the same version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.engine.observer import Loaded, Ran
from runner.engine.results import Encoded, Made, encode
from runner.graph.node import Node, PipelineSpec
from runner.graph.stage_table import STAGES
from runner.workers.setup import WorkerSetup


@dataclass(frozen=True)
class Stay:
    """That workers stay after the command.

    Attributes:
        seconds: for how long, while no command takes them over.
        code, setting: what another command must have in common: see `workers.takeover_key`.
    """

    seconds: float
    code: str
    setting: str


@dataclass(frozen=True)
class Start:
    """To the process that forks the workers.

    Attributes:
        classes: diffusers classes to import before forking, once for all workers.
        workers: how many to fork; at most the number of the process's pipes.
        place: a worker's number, by which accelerators are assigned in turn where none is named.
        stay: None: the workers end with the command.
        goes_on: whether other profiles of the command may follow.
    """

    opening: WorkerSetup
    classes: tuple[str, ...]
    workers: int = 1
    place: int = 0
    stay: Stay | None = None
    goes_on: bool = False


@dataclass(frozen=True)
class NextProfile:
    """To a worker: nodes of another execution profile follow. It stays on its device."""

    opening: WorkerSetup
    classes: tuple[str, ...]


@dataclass(frozen=True)
class TakeOver:
    """To a worker that has stayed: the next command, in the surroundings of its process.

    Attributes:
        environment: variables, PYTHONPATH among them.
        folder: the working directory.
        seconds: that it stays after this command; None: as long as it was to.
    """

    opening: WorkerSetup
    classes: tuple[str, ...]
    environment: Mapping[str, str]
    folder: str
    seconds: float | None


@dataclass(frozen=True)
class Run:
    """To a worker: run a node."""

    node: Node
    inputs: Mapping[str, Encoded]

    @classmethod
    def of(cls, node: Node, inputs: Mapping[str, Made]) -> Run:
        """The message, with the node's inputs as bytes."""
        return cls(
            node,
            {
                name: encode(STAGES[node.inputs[name].stage].result, made)
                for name, made in inputs.items()
            },
        )


@dataclass(frozen=True)
class Keep:
    """To a worker: unload all pipelines but these."""

    specs: frozenset[PipelineSpec]


@dataclass(frozen=True)
class Recall:
    """To a worker: give back the nodes that wait."""


@dataclass(frozen=True)
class Ready:
    """From a worker: it is connected and its imports are done."""

    pid: int


@dataclass(frozen=True)
class PipelineLoaded:
    loaded: Loaded


@dataclass(frozen=True)
class Started:
    """From a worker: a node runs now."""


@dataclass(frozen=True)
class Stepped:
    step: int
    steps: int


@dataclass(frozen=True)
class Relieved:
    how: str


@dataclass(frozen=True)
class Failed:
    """From a worker: a node's error, and its traceback as text.

    Attributes:
        too_large: whether it is a BatchTooLargeError.
    """

    error: str
    traceback: str
    too_large: bool = False


@dataclass(frozen=True)
class Recalled:
    """From a worker: a node that waited is not run."""


Happened = PipelineLoaded | Started | Stepped | Relieved
"""What a worker tells of a running node."""


@dataclass(frozen=True)
class About:
    """From a worker: what it tells of one of its nodes, by the node's key.

    The last about a node is `Ran`, with bytes, `Failed` or `Recalled`.
    """

    key: str
    what: Happened | Ran | Failed | Recalled


FromWorker = Ready | About
