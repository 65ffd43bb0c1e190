"""The observer protocol: events of a graph's execution, and the records that come with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.catalog.graphs import GraphKind
from runner.engine.results import Made, decode
from runner.errors import RunnerError
from runner.graph.node import Node, PipelineSpec
from runner.graph.values import Value


@dataclass(frozen=True)
class Loaded:
    """A loaded pipeline, and its settings as read back (see `runner.pipelines.read_back`)."""

    spec: PipelineSpec
    seconds: float
    readback: Mapping[str, Any]


@dataclass(frozen=True)
class GraphsHeld:
    """The graphs of a pipeline's denoiser, as read back after a call.

    Attributes:
        kind: what they are on its device.
        captured: how many were recorded since it was loaded.
        kept: how many of them there are now.
        held_bytes: of the device, that they hold between calls.
        failure: why no more are recorded; None: they are.
    """

    kind: GraphKind
    captured: int
    kept: int
    held_bytes: int
    failure: str | None = None

    @property
    def is_told(self) -> bool:
        """Whether there is something to tell: not that a short run has none on a CPU."""
        return self.kind.holds or self.captured > 0 or self.failure is not None


@dataclass(frozen=True)
class Compiled:
    """What torch.compile did during a call.

    Attributes:
        made: graphs that were compiled.
        taken: graphs that an earlier process had compiled.
        kept: whether they are kept by this program for later processes.
    """

    made: int
    taken: int
    kept: bool


@dataclass(frozen=True)
class Ran:
    """The result of a node that was run, and its cost.

    Attributes:
        made: the result, possibly still as bytes.
        seconds: run time, without loading pipelines.
        first_call: whether it was its pipeline's first call, which includes compilation and
            warm-up.
        peak_memory_bytes: of the device during the run; None without an accelerator.
        repeats: with `bench=true`, the seconds of each repetition; `seconds` is their median.
        graphs: those of its denoiser, where the run has changed them.
        compiled: what was compiled meanwhile, where anything was.
        memory: of the device before the run, in bytes: what was held, and all that this process
            could hold; None without an accelerator.
        weights_mb: memory of the weights of its pipeline's models, in MiB, as read back from them;
            None where it has none, or was loaded before.
        together: how many nodes ran in one call with it, itself counted; seconds are its share.
        joules: with `bench=true`, the energy of one repetition; None where no device tells it.
    """

    made: Made
    seconds: float
    first_call: bool = False
    peak_memory_bytes: int | None = None
    repeats: tuple[float, ...] = ()
    graphs: GraphsHeld | None = None
    compiled: Compiled | None = None
    memory: tuple[int, int] | None = None
    joules: float | None = None
    weights_mb: float | None = None
    together: int = 1


@dataclass(frozen=True)
class NodeResult:
    """A finished node.

    Attributes:
        ran: the result and its cost. For a reused result, `ran.seconds` is the time of the
            look-up.
        reused: whether the result was taken from the store.
        took: of a target: name in `Node.lineage` -> seconds that the node took when it was run,
            now or earlier, where known.
        weights_mb: of a target: name -> `Ran.weights_mb` of that node, likewise.
        first_calls: of a target: names of the nodes in `took` that this graph's run ran, and
            whether each was its pipeline's first call; those of others were taken from the store.
        pictures: of a target that is an image: the pictures that it was made from, by the same
            names, where still available.
    """

    node: Node
    ran: Ran
    reused: bool
    took: Mapping[str, float] = field(default_factory=dict)
    weights_mb: Mapping[str, float] = field(default_factory=dict)
    first_calls: Mapping[str, bool] = field(default_factory=dict)
    pictures: Mapping[str, Made] = field(default_factory=dict)

    @property
    def value(self) -> Value:
        """The decoded result."""
        return decode(self.ran.made)


class Observer:
    """Is notified of each event as it happens. Subclasses override what they need."""

    def graph_started(self, nodes: int) -> None:
        """`nodes`: how many will be run or taken from the store; others are not needed."""

    def workers_begun(self, workers: int, how: str) -> None:
        """Workers have started; `how`: their number and where they are, or why so many, as text."""

    def pipeline_loaded(self, loaded: Loaded) -> None:
        """A pipeline was loaded."""

    def node_started(self, node: Node) -> None:
        """A node has no stored result and starts to run."""

    def memory_relieved(self, node: Node, how: str) -> None:
        """A node ran out of memory and is run again; `how`: what was changed, as text."""

    def worker_died(self, node: Node, how: str) -> None:
        """The worker process that ran a node has ended; `how`: what becomes of it, as text."""

    def node_step(self, node: Node, step: int, steps: int) -> None:
        """A denoising step of the running node is done."""

    def node_finished(self, result: NodeResult) -> None:
        """A node has its result, from a run or from the store."""

    def node_failed(self, node: Node, error: RunnerError) -> None:
        """A node failed; `error.__cause__`: the original exception, if it was no RunnerError."""

    def node_blocked(self, node: Node, needed: Node) -> None:
        """A node cannot run because `needed` has no result."""


class Observers(Observer):
    """Several observers as one, notified in their order."""

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

    def worker_died(self, node: Node, how: str) -> None:
        for observer in self._all:
            observer.worker_died(node, how)

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
