"""Worker processes on this machine, as the engine's workers.

A worker that dies takes no result with it: its node is given to another one.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

from runner.encoding import Made, encoded
from runner.errors import RunnerError, StageError
from runner.events import Observer
from runner.graph import Node, PipelineSpec
from runner.opening import Opening
from runner.stage_runner import Ran
from runner.stages import STAGES
from runner.workers.messages import (
    Done,
    Failed,
    FromWorker,
    Keep,
    PipelineLoaded,
    Ready,
    Relieved,
    Run,
    Start,
    Started,
    Stepped,
)

RETRIES = 2
"""How often a node is given to another worker after one died with it."""


class WorkerTraceback(Exception):  # noqa: N818
    """The cause of a stage's error: where it failed in the worker, as text."""

    def __str__(self) -> str:
        return f"in a worker process\n\n{self.args[0]}"


@dataclass(eq=False)
class _Worker:
    """One process, as seen from here; its `pid` is known once it has told it."""

    connection: Connection
    host: subprocess.Popen[bytes]
    pid: int | None = None
    run: Run | None = None
    specs: set[PipelineSpec] = field(default_factory=set)


class Pool:
    """Processes that run nodes side by side.

    Args:
        opening: of what they need.
        specs: all that any node will ask for.
        count: how many processes.
        observer: told of what happens while nodes run.
    """

    def __init__(
        self, opening: Opening, specs: Collection[PipelineSpec], count: int, observer: Observer
    ) -> None:
        self._start = Start(opening, tuple(sorted({spec.pipeline for spec in specs})))
        self._observer = observer
        self._hosts: list[subprocess.Popen[bytes]] = []
        self._lifeline, self._lifeline_end = os.pipe()
        self._workers: list[_Worker] = []
        self._deaths: Counter[str] = Counter()
        self._failed: deque[tuple[Node, RunnerError]] = deque()
        self._bad_hosts: set[int] = set()
        self._told: list[tuple[PipelineSpec, Mapping[str, Any]]] = []
        self._add(count)

    def has_idle(self) -> bool:
        return any(worker.run is None for worker in self._workers)

    def submit(self, node: Node, inputs: Mapping[str, Made]) -> None:
        given = {
            name: encoded(STAGES[node.inputs[name].stage].result, made)
            for name, made in inputs.items()
        }
        self._give(Run(node, given))

    def wait(self) -> tuple[Node, Ran | RunnerError]:
        while True:
            if self._failed:
                return self._failed.popleft()
            by_connection = {worker.connection: worker for worker in self._workers}
            for connection in wait(list(by_connection)):
                assert isinstance(connection, Connection)
                done = self._heard(by_connection[connection])
                if done is not None:
                    return done

    def keep(self, specs: Collection[PipelineSpec]) -> None:
        for worker in self._workers:
            self._send(worker, Keep(frozenset(specs)))
            worker.specs &= set(specs)

    def close(self) -> None:
        """End all processes; what they are running is given up."""
        os.close(self._lifeline_end)  # their processes see it and end
        for worker in self._workers:
            worker.connection.close()
        for host in self._hosts:
            host.wait()
        os.close(self._lifeline)

    def pids(self) -> list[int]:
        """Of the workers that are ready."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    def pids_running(self, node: Node) -> list[int]:
        """Of the worker that runs a node."""
        return [w.pid for w in self._workers if w.run and w.run.node == node and w.pid is not None]

    def _add(self, count: int) -> None:
        """Start processes: where forking is safe, all from one that imports for them."""
        if count > 1 and not sys.platform.startswith("linux"):
            for _ in range(count):
                self._add(1)
            return
        pairs = [Pipe() for _ in range(count)]
        ends = [theirs.fileno() for _, theirs in pairs]
        given = (self._lifeline, *ends)
        command = [sys.executable, "-m", "runner.workers.process", *map(str, given)]
        host = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=given)
        self._hosts.append(host)
        for ours, theirs in pairs:
            theirs.close()
            self._workers.append(_Worker(ours, host))
        with contextlib.suppress(OSError):  # it died at once: seen when it is waited for
            pairs[0][0].send(self._start)

    def _give(self, run: Run) -> None:
        idle = [worker for worker in self._workers if worker.run is None]
        spec = run.node.pipeline
        # One that has the pipeline already, if there is any.
        worker = next((one for one in idle if spec in one.specs), idle[0])
        worker.run = run
        if spec is not None:
            worker.specs.add(spec)
        self._send(worker, run)

    @staticmethod
    def _send(worker: _Worker, message: Run | Keep) -> None:
        with contextlib.suppress(OSError):  # it died: seen when it is waited for
            worker.connection.send(message)

    def _heard(self, worker: _Worker) -> tuple[Node, Ran | RunnerError] | None:
        try:
            message: FromWorker = worker.connection.recv()
        except (EOFError, OSError):
            self._died(worker)
            return None
        if isinstance(message, Ready):
            worker.pid = message.pid
            return None
        if isinstance(message, PipelineLoaded):
            self._pipeline_loaded(message)
            return None
        assert worker.run is not None
        node = worker.run.node
        if isinstance(message, Done | Failed):
            worker.run = None
            return node, result_of(message)
        self._happened(node, message)
        return None

    def _happened(self, node: Node, message: Started | Stepped | Relieved) -> None:
        if isinstance(message, Started):
            self._observer.node_started(node)
        elif isinstance(message, Stepped):
            self._observer.node_step(node, message.step, message.steps)
        else:
            self._observer.memory_relieved(node, message.how)

    def _pipeline_loaded(self, message: PipelineLoaded) -> None:
        """Told once, though every worker loads it: they differ in nothing but maybe the device."""
        loaded = message.loaded
        if (loaded.spec, loaded.readback) not in self._told:
            self._told.append((loaded.spec, loaded.readback))
            self._observer.pipeline_loaded(loaded)

    def _died(self, worker: _Worker) -> None:
        worker.connection.close()
        self._workers.remove(worker)
        if worker.pid is None:
            self._bad_hosts.add(worker.host.pid)
        if len(self._bad_hosts) > RETRIES:
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
            self._give(worker.run)
            return
        self._failed.append((node, given_up(node, self._deaths[node.key])))


def given_up(node: Node, deaths: int) -> StageError:
    """Why a node is not tried again."""
    return StageError(f"{node.stage} failed ({node.label}): its worker process died {deaths} times")


def result_of(message: Done | Failed) -> Ran | RunnerError:
    """What a worker's last word on a node means to the engine."""
    if isinstance(message, Done):
        return Ran(message.made, message.seconds, message.first_call, message.peak_memory_bytes)
    error = StageError(message.error)
    error.__cause__ = WorkerTraceback(message.traceback)
    return error


def specs_of(nodes: Sequence[Node]) -> set[PipelineSpec]:
    """All that nodes run on."""
    return {node.pipeline for node in nodes if node.pipeline is not None}
