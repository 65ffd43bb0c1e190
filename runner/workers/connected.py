"""Workers over connections: dispatching nodes, receiving messages, and replacing dead workers.

When a worker dies no result is lost: its node is given to another worker.
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
from runner.errors import RunnerError, StageError
from runner.graph.node import Node, PipelineSpec
from runner.workers.messages import (
    Failed,
    FromWorker,
    Happened,
    Keep,
    PipelineLoaded,
    Ready,
    Run,
    Start,
    Started,
    Stepped,
)
from runner.workers.setup import WorkerSetup

RETRIES = 2
"""How often a node is given to another worker after a worker died while running it."""


class WorkerTraceback(Exception):  # noqa: N818
    """The cause of a stage's error: the worker's traceback, as text."""

    def __str__(self) -> str:
        return f"in a worker process\n\n{self.args[0]}"


@dataclass(eq=False)
class Worker:
    """A worker process, as the runner sees it; its `pid` is known once it has sent `Ready`.

    Attributes:
        origin: what started it: workers of one origin fail together.
        place: see `messages.Start`.
    """

    connection: Connection
    origin: int
    pid: int | None = None
    run: Run | None = None
    specs: set[PipelineSpec] = field(default_factory=set)
    place: int = 0


class ConnectedWorkers(ABC):
    """Runs nodes in parallel, as the engine's workers.

    Args:
        opening: what the workers need to open pipelines.
        specs: the pipelines of all nodes.
        observer: notified of events while nodes run.
    """

    _patience: float | None = None
    """The longest time in seconds that one `wait` takes."""

    def __init__(
        self, opening: WorkerSetup, specs: Collection[PipelineSpec], observer: Observer
    ) -> None:
        self._start = Start(opening, tuple(sorted({spec.pipeline for spec in specs})))
        self._workers: list[Worker] = []
        self._deaths: Counter[str] = Counter()
        self._failed: deque[tuple[Node, RunnerError]] = deque()
        self._again: deque[Run] = deque()
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

    def submit(self, node: Node, inputs: Mapping[str, Made]) -> None:
        self._give(Run.of(node, inputs))

    def wait(self) -> tuple[Node, Ran | RunnerError] | None:
        if self._failed:
            return self._failed.popleft()
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

    def pids_running(self, node: Node) -> list[int]:
        """Process id of the worker that runs a node."""
        return [w.pid for w in self._workers if w.run and w.run.node == node and w.pid is not None]

    @property
    def _idle(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.run is None]

    def _give(self, run: Run) -> None:
        idle, spec = self._idle, run.node.pipeline
        # Preferably a worker that has the pipeline already.
        worker = next((one for one in idle if spec in one.specs), idle[0])
        worker.run = run
        if spec is not None:
            worker.specs.add(spec)
        self._send(worker, run)

    def _give_again(self) -> None:
        """Give out the nodes of workers that died, before any new node."""
        while self._again and self._idle:
            self._give(self._again.popleft())

    @staticmethod
    def _send(worker: Worker, message: Run | Keep | Start) -> None:
        with contextlib.suppress(OSError):  # it died: `wait` notices that
            worker.connection.send(message)

    def _heard(self, worker: Worker) -> tuple[Node, Ran | RunnerError] | None:
        try:
            message: FromWorker = worker.connection.recv()
        except (EOFError, OSError):
            self._died(worker)
            return None
        if isinstance(message, Ready):
            worker.pid = message.pid
            return None
        assert worker.run is not None
        node = worker.run.node
        if isinstance(message, Ran | Failed):
            worker.run = None
            self._give_again()
            return node, result_of(message)
        self._tell(node, message)
        return None

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
        if worker.run is None:
            return
        node = worker.run.node
        self._deaths[node.key] += 1
        if self._deaths[node.key] <= RETRIES:
            self._again.append(worker.run)
            self._give_again()
        else:
            self._failed.append((node, given_up(node, self._deaths[node.key])))


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
    error = StageError(message.error)
    error.__cause__ = WorkerTraceback(message.traceback)
    return error
