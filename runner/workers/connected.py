"""Workers over connections: dispatching nodes, receiving messages, and replacing dead workers.

A worker has at most two nodes: one runs, one waits, so that the device does not wait until this
process has taken the result and found the next node. When a worker dies no result is lost: its
nodes are given to other workers.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from runner.engine.observer import Observer, Ran
from runner.engine.results import Made
from runner.errors import BatchTooLargeError, RunnerError, StageError
from runner.graph.node import Node, PipelineSpec
from runner.workers.messages import (
    Failed,
    FromWorker,
    Happened,
    Keep,
    NextProfile,
    PipelineLoaded,
    Ready,
    Recall,
    Recalled,
    Run,
    Start,
    Started,
    Stepped,
)
from runner.workers.setup import WorkerSetup

RETRIES = 2
"""How often a node is given to another worker after a worker died while running it."""
LEFT_FOR_OTHERS = 2
"""Nodes for each other worker that must be left for one to wait: else, at the end, it would wait
behind a long one while another worker has nothing to do.
"""


class WorkerTraceback(Exception):  # noqa: N818
    """The cause of a stage's error: the worker's traceback, as text."""

    def __str__(self) -> str:
        return f"in a worker process\n\n{self.args[0]}"


@dataclass(eq=False)
class Worker:
    """A worker process, as the runner sees it; its `pid` is known once it has sent `Ready`.

    Attributes:
        origin: what started it: workers of one origin fail together.
        runs: its nodes: the first runs, the second waits.
        specs: the pipelines that it has, once it has run its nodes.
        place: see `messages.Start`.
    """

    connection: Connection
    origin: int
    pid: int | None = None
    runs: list[Run] = field(default_factory=list)
    specs: set[PipelineSpec] = field(default_factory=set)
    place: int = 0

    def has_modules_of(self, spec: PipelineSpec) -> bool:
        """Whether it has loaded what a pipeline consists of, but for its scheduler."""
        return spec in self.specs or any(own.base == spec.base for own in self.specs)


class ConnectedWorkers(ABC):
    """Runs nodes in parallel, as the engine's workers.

    Args:
        opening: what the workers need to open pipelines.
        specs: the pipelines of all nodes.
        observer: notified of events while nodes run.
    """

    _patience = 0.25
    """The longest time in seconds that one `wait` takes: so Ctrl-C recalls what waits before the
    running stage ends.
    """

    def __init__(
        self, opening: WorkerSetup, specs: Collection[PipelineSpec], observer: Observer
    ) -> None:
        self._start = Start(opening, tuple(sorted({spec.pipeline for spec in specs})))
        self._workers: list[Worker] = []
        self._deaths: Counter[str] = Counter()
        self._over: deque[tuple[Node, RunnerError | None]] = deque()
        self._again: deque[Run] = deque()
        self._recalled = False
        self._bad_origins: set[int] = set()
        self._tell = Teller(observer)

    @abstractmethod
    def _add(self, count: int) -> None:
        """Start workers."""

    @abstractmethod
    def close(self) -> None:
        """End all workers; nodes that they are running are abandoned."""

    def has_idle(self) -> bool:
        return bool(self._idle)

    def takes_next(self, node: Node, ready: int) -> bool:
        left = ready > LEFT_FOR_OTHERS * (self._expected - 1)
        return left and not self._again and self._with_room(node) is not None

    def submit(self, node: Node, inputs: Mapping[str, Made]) -> None:
        self._give(Run.of(node, inputs))

    def has_waiting(self) -> bool:
        return bool(self._again) or any(len(worker.runs) > 1 for worker in self._workers)

    def recall(self) -> None:
        self._recalled = True
        while self._again:
            self._over.append((self._again.popleft().node, None))
        for worker in self._workers:
            if len(worker.runs) > 1:
                self._send(worker, Recall())

    def wait(self) -> tuple[Node, Ran | RunnerError | None] | None:
        if self._over:
            return self._over.popleft()
        by_connection = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(by_connection), self._patience):
            assert isinstance(connection, Connection)
            done = self._heard(by_connection[connection])
            if done is not None:
                return done
        return None

    def evict_except(self, specs: Collection[PipelineSpec]) -> None:
        for worker in self._workers:
            self._send(worker, Keep(frozenset(specs)))
            worker.specs &= set(specs)

    def pids(self) -> list[int]:
        """Process ids of the workers that are ready."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    @property
    def _idle(self) -> list[Worker]:
        return [worker for worker in self._workers if not worker.runs]

    @property
    def _expected(self) -> int:
        """How many workers there are or will be."""
        return len(self._workers)

    def _with_room(self, node: Node) -> Worker | None:
        """A busy worker that the node can be given to.

        One that has its modules: else the worker would load them before it is told which others it
        can unload. Nothing waits where seconds are measured, nor beside a node that a worker died
        with: it would be doubtful which of the two it was.
        """
        if self._start.opening.profile.bench is not None or node.key in self._deaths:
            return None
        for worker in self._workers:
            alone = len(worker.runs) == 1 and worker.runs[0].node.key not in self._deaths
            if alone and (node.pipeline is None or worker.has_modules_of(node.pipeline)):
                return worker
        return None

    def _taker(self, node: Node) -> Worker | None:
        """The worker to give a node to: preferably one that has the pipeline already."""
        idle = self._idle
        ready = next((one for one in idle if node.pipeline in one.specs), None)
        return ready or (idle[0] if idle else self._with_room(node))

    def _give(self, run: Run) -> None:
        worker, spec = self._taker(run.node), run.node.pipeline
        assert worker is not None
        worker.runs.append(run)
        if spec is not None:
            worker.specs.add(spec)
        self._send(worker, run)

    def _give_again(self) -> None:
        """Give out the nodes of workers that died, before any new node."""
        while self._again and self._idle:
            self._give(self._again.popleft())

    @staticmethod
    def _send(worker: Worker, message: Run | Keep | NextProfile | Recall | Start) -> None:
        with contextlib.suppress(OSError):  # it died: `wait` notices that
            worker.connection.send(message)

    def _heard(self, worker: Worker) -> tuple[Node, Ran | RunnerError | None] | None:
        try:
            message: FromWorker = worker.connection.recv()
        except (EOFError, OSError):
            self._died(worker)
            return None
        if isinstance(message, Ready):
            worker.pid = message.pid
            return None
        run, what = next(run for run in worker.runs if run.node.key == message.key), message.what
        if not isinstance(what, Ran | Failed | Recalled):
            self._tell(run.node, what)
            return None
        worker.runs.remove(run)
        self._give_again()
        return run.node, None if isinstance(what, Recalled) else result_of(what)

    def _died(self, worker: Worker) -> None:
        worker.connection.close()
        self._workers.remove(worker)
        if worker.pid is None:
            self._bad_origins.add(worker.origin)
        if len(self._bad_origins) > RETRIES:
            raise RunnerError(
                "worker processes end before they can begin; see above what they said, "
                "or go on with workers=1"
            )
        self._add(1)
        if not worker.runs:
            return
        node = worker.runs[0].node
        self._deaths[node.key] += 1
        again = "" if self._recalled else ": another one runs it"
        if self._deaths[node.key] > RETRIES:
            again = ": it is given up"
            self._over.append((node, given_up(node, self._deaths[node.key])))
            del worker.runs[0]
        self._tell.died(node, f"its worker process died{again}")
        if self._recalled:
            self._over.extend((run.node, None) for run in worker.runs)
        else:
            self._again.extendleft(reversed(worker.runs))
            self._give_again()


class Teller:
    """Passes a worker's messages about a node on to an observer.

    A loaded pipeline is reported once for each device, although every worker loads it.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._loaded: list[tuple[PipelineSpec, Mapping[str, Any]]] = []

    def __call__(self, node: Node, message: Happened) -> None:
        if isinstance(message, PipelineLoaded):
            known = (message.loaded.spec, message.loaded.readback)
            if known not in self._loaded:
                self._loaded.append(known)
                self._observer.pipeline_loaded(message.loaded)
        elif isinstance(message, Started):
            self._observer.node_started(node)
        elif isinstance(message, Stepped):
            self._observer.node_step(node, message.step, message.steps)
        else:
            self._observer.memory_relieved(node, message.how)

    def died(self, node: Node, how: str) -> None:
        """Say that the worker of a node has ended."""
        self._observer.worker_died(node, how)


def given_up(node: Node, deaths: int) -> StageError:
    """The error of a node that is not tried again, after `deaths` workers died running it."""
    return StageError(
        f"{node.stage} failed ({node.label}): its worker process died {deaths} times; if the "
        "system ends it for want of memory, fewer workers or a smaller size help"
    )


def result_of(message: Ran | Failed) -> Ran | RunnerError:
    """A worker's last message about a node, as a result or an error for the engine."""
    if isinstance(message, Ran):
        return message
    error = (BatchTooLargeError if message.too_large else StageError)(message.error)
    error.__cause__ = WorkerTraceback(message.traceback)
    return error
