"""The loop in which a worker runs the nodes that come over a connection.

The thread that feeds the device does nothing else: one thread receives nodes and decodes their
inputs, another encodes results and sends them.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue

from runner.engine.observer import Loaded, Observer, Ran
from runner.engine.results import Made, decode, encode
from runner.engine.stage_runner import PipelineSource, StageRunner
from runner.errors import BatchTooLargeError
from runner.graph.node import Node
from runner.graph.stage_table import STAGES
from runner.workers.messages import (
    About,
    Failed,
    FromWorker,
    Happened,
    Keep,
    NextProfile,
    PipelineLoaded,
    Ready,
    Recall,
    Recalled,
    Relieved,
    Run,
    Started,
    Stepped,
)
from runner.workers.setup import WorkerSetup, import_pipelines, open_pipelines

SECONDS_BETWEEN_STEPS = 0.1
"""Shortest time in seconds between two messages about steps."""
RESULTS_WAITING = 2
"""Results that are not sent yet, at most: the next one waits for a place."""


class NodeServer:
    """Serves one connection after another, and keeps its pipelines between them.

    Args:
        opening: of the first profile, on the device of this worker.
        opened: opens the pipelines of a profile.
    """

    def __init__(
        self,
        opening: WorkerSetup,
        opened: Callable[[WorkerSetup], PipelineSource] = open_pipelines,
    ) -> None:
        self._messenger = Messenger(_nobody)
        self._device = opening.profile.device
        self._opened = opened
        self._has_failed = False
        self._runner = self._runner_of(opening)

    def serve(self, connection: Connection) -> None:
        """Run the nodes that come over a connection, until its other end is closed. A node that
        runs then fails at its next step; one that waits is not run.
        """
        outbox = Outbox(connection)
        inbox = Inbox(connection, outbox)
        outbox.put(Ready(os.getpid()))
        try:
            while (message := inbox.get()) is not None:
                if isinstance(message, Keep):
                    self._runner.evict_except(message.specs)
                elif isinstance(message, NextProfile):
                    self._go_on(message)
                else:
                    self._run(message, outbox)
        finally:
            self._messenger.send = _nobody
            outbox.close()

    def _run(self, message: Run, outbox: Outbox) -> None:
        node = message.node
        self._messenger.send = lambda what: outbox.tell(About(node.key, what))
        ended = run_node(self._runner, node, message.inputs)
        self._has_failed |= isinstance(ended, Failed)
        outbox.put_result(node, ended)

    def _go_on(self, message: NextProfile) -> None:
        if self._has_failed or message.opening.profile.bench is not None:
            self._runner.unload()  # in which state a failure has left the models is not known
            self._has_failed = False
        profile = replace(message.opening.profile, device=self._device)
        import_pipelines(message.classes)
        self._runner = self._runner_of(replace(message.opening, profile=profile))

    def _runner_of(self, opening: WorkerSetup) -> StageRunner:
        opened, bench = self._opened, opening.profile.bench
        return StageRunner(lambda: opened(opening), self._messenger, bench)


def run_node(runner: StageRunner, node: Node, inputs: Mapping[str, Made]) -> Ran | Failed:
    """Run a node; an error is returned as a message."""
    try:
        return runner.run(node, {name: decode(made) for name, made in inputs.items()})
    except Exception as error:  # also of its inputs, or that nobody hears what it tells
        return _failure(error)


def encoded(node: Node, ended: Ran | Failed) -> Ran | Failed:
    """What `run_node` returned, with the result as bytes."""
    if isinstance(ended, Failed):
        return ended
    try:
        return replace(ended, made=encode(STAGES[node.stage].result, ended.made))
    except Exception as error:  # such as too little memory: the node fails, not its worker
        return _failure(error)


def _failure(error: Exception) -> Failed:
    said = "".join(traceback.format_exception(error))
    return Failed(str(error), said, isinstance(error, BatchTooLargeError))


class Inbox:
    """Receives messages in a thread of its own, so that the runner never waits for a place."""

    def __init__(self, connection: Connection, outbox: Outbox) -> None:
        self._connection = connection
        self._outbox = outbox
        self._messages: SimpleQueue[Run | Keep | NextProfile | None] = SimpleQueue()
        threading.Thread(target=self._receive, daemon=True).start()

    def get(self) -> Run | Keep | NextProfile | None:
        """The next message; None: the connection has ended."""
        return self._messages.get()

    def _receive(self) -> None:
        try:
            while True:
                message = self._connection.recv()
                if isinstance(message, Recall):
                    self._drop(self._recalled)
                else:
                    self._messages.put(_prepared(message) if isinstance(message, Run) else message)
        except (EOFError, OSError):
            pass  # the runner has closed the connection, or has ended
        finally:
            self._outbox.nobody_hears = True
            self._drop(lambda run: None)
            self._messages.put(None)

    def _recalled(self, run: Run) -> None:
        self._outbox.put(About(run.node.key, Recalled()))

    def _drop(self, tell: Callable[[Run], None]) -> None:
        with contextlib.suppress(Empty):
            while True:
                message = self._messages.get_nowait()
                if isinstance(message, Run):
                    tell(message)


def _prepared(run: Run) -> Run:
    """The message with its inputs decoded. A damaged one stays as it is: its node will fail."""
    inputs = dict(run.inputs)
    for name, made in inputs.items():
        with contextlib.suppress(Exception):
            inputs[name] = replace(made, value=decode(made))
    return replace(run, inputs=inputs)


@dataclass(frozen=True)
class _Ended:
    """A node's end, whose result is yet to be encoded."""

    node: Node
    how: Ran | Failed


class Outbox:
    """Encodes results, and sends all messages in their order, in a thread of its own.

    Attributes:
        nobody_hears: whether the other end was closed.
    """

    def __init__(self, connection: Connection) -> None:
        self.nobody_hears = False
        self._connection = connection
        self._messages: SimpleQueue[FromWorker | _Ended | None] = SimpleQueue()
        self._places = threading.Semaphore(RESULTS_WAITING)
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def put(self, message: FromWorker) -> None:
        """Send a message, after those before it."""
        self._messages.put(message)

    def tell(self, message: About) -> None:
        """Send what a running stage tells. Raises ConnectionError, which ends it, where nobody
        hears.
        """
        if self.nobody_hears:
            raise ConnectionError("the command has ended")
        self.put(message)

    def put_result(self, node: Node, how: Ran | Failed) -> None:
        """Encode and send how a node ended. Waits while too many results do."""
        self._places.acquire()
        self._messages.put(_Ended(node, how))

    def close(self) -> None:
        """Send what is left."""
        self._messages.put(None)
        self._thread.join()

    def _send(self) -> None:
        open_still = True
        while (message := self._messages.get()) is not None:
            told: FromWorker
            if isinstance(message, _Ended):
                told = About(message.node.key, encoded(message.node, message.how))
            else:
                told = message
            open_still = open_still and self._sent(told, message)
            if isinstance(message, _Ended):
                self._places.release()

    def _sent(self, told: FromWorker, message: FromWorker | _Ended) -> bool:
        """Send a message; False where no more can be sent."""
        try:
            self._connection.send(told)
        except OSError:
            return False  # `Inbox` sees it, too
        except Exception as error:  # such as too little memory for the bytes of a batch
            if isinstance(message, _Ended) and not isinstance(message.how, Failed):
                return self._sent(About(message.node.key, _failure(error)), told)
            # The other end sees a death, and gives the node to somebody else.
            end = socket.socket(fileno=os.dup(self._connection.fileno()))
            with contextlib.suppress(OSError), end:
                end.shutdown(socket.SHUT_RDWR)
            return False
        return True


class Messenger(Observer):
    """Sends events as messages, by `send`, which may be exchanged between nodes."""

    def __init__(self, send: Callable[[Happened], None]) -> None:
        self.send = send
        self._last_step = 0.0

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self.send(PipelineLoaded(loaded))

    def node_started(self, node: Node) -> None:
        self.send(Started())

    def memory_relieved(self, node: Node, how: str) -> None:
        self.send(Relieved(how))

    def node_step(self, node: Node, step: int, steps: int) -> None:
        now = time.monotonic()
        if step == steps or now - self._last_step > SECONDS_BETWEEN_STEPS:
            self._last_step = now
            self.send(Stepped(step, steps))


def _nobody(message: Happened) -> None:
    """Between connections nobody is told."""
