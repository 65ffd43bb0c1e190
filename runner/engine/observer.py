"""What happens while a graph runs, and who is told: the observer protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.engine.results import Made, decode
from runner.errors import RunnerError
from runner.graph.node import Node, PipelineSpec
from runner.graph.values import Value


@dataclass(frozen=True)
class Loaded:
    """A loaded pipeline, and what was read back from it (see `runner.pipelines.read_back`)."""

    spec: PipelineSpec
    seconds: float
    readback: Mapping[str, Any]


@dataclass(frozen=True)
class Ran:
    """What a node made, and what it cost.

    Attributes:
        made: the result, maybe as bytes.
        seconds: without the loading of pipelines.
        first_call: the first of its pipeline, which pays for what is compiled and warmed up.
        peak_memory_bytes: of the device, while it ran; None without an accelerator.
        repeats: with `bench=true`, what it took each time; `seconds` is the median of them.
    """

    made: Made
    seconds: float
    first_call: bool = False
    peak_memory_bytes: int | None = None
    repeats: tuple[float, ...] = ()


@dataclass(frozen=True)
class NodeResult:
    """A node that has its result.

    Attributes:
        ran: the result and what it cost. Of a reused one `ran.seconds` says how long the look-up
            took, not the work.
        reused: taken from the store.
        took: of a target, by the names of `Node.lineage`: what each node took when it was made,
            now or earlier, as far as that is known.
        pictures: of a target that is an image: those that it was made from, by the same names, as
            far as they are still there.
    """

    node: Node
    ran: Ran
    reused: bool
    took: Mapping[str, float] = field(default_factory=dict)
    pictures: Mapping[str, Made] = field(default_factory=dict)

    @property
    def value(self) -> Value:
        """The result, to be looked at."""
        return decode(self.ran.made)


class Observer:
    """Told what happens, as it happens. Subclasses take what they need."""

    def graph_started(self, nodes: int) -> None:
        """So many nodes will be taken from the store or run; others are not needed."""

    def workers_begun(self, workers: int, how: str) -> None:
        """So many will run what is to be run; `how` says so with where they are, or why so many."""

    def pipeline_loaded(self, loaded: Loaded) -> None:
        """A pipeline is ready."""

    def node_started(self, node: Node) -> None:
        """Not found in the store: the node runs now."""

    def memory_relieved(self, node: Node, how: str) -> None:
        """A node ran out of memory, and is run once more with what `how` says."""

    def node_step(self, node: Node, step: int, steps: int) -> None:
        """A denoising step of the running node is done."""

    def node_finished(self, result: NodeResult) -> None:
        """A node's result is there."""

    def node_failed(self, node: Node, error: RunnerError) -> None:
        """A node failed; `error.__cause__` is what was raised, where it was not ours."""

    def node_blocked(self, node: Node, needed: Node) -> None:
        """A node cannot run, since `needed` failed."""


class Observers(Observer):
    """Several observers as one, told in their order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._all = tuple(observers)

    def graph_started(self, nodes: int) -> None:
        for observer in self._all:
            observer.graph_started(nodes)

    def workers_begun(self, workers: int, how: str) -> None:
        for observer in self._all:
            observer.workers_begun(workers, how)

    def pipeline_loaded(self, loaded: Loaded) -> None:
        for observer in self._all:
            observer.pipeline_loaded(loaded)

    def node_started(self, node: Node) -> None:
        for observer in self._all:
            observer.node_started(node)

    def memory_relieved(self, node: Node, how: str) -> None:
        for observer in self._all:
            observer.memory_relieved(node, how)

    def node_step(self, node: Node, step: int, steps: int) -> None:
        for observer in self._all:
            observer.node_step(node, step, steps)

    def node_finished(self, result: NodeResult) -> None:
        for observer in self._all:
            observer.node_finished(result)

    def node_failed(self, node: Node, error: RunnerError) -> None:
        for observer in self._all:
            observer.node_failed(node, error)

    def node_blocked(self, node: Node, needed: Node) -> None:
        for observer in self._all:
            observer.node_blocked(node, needed)
