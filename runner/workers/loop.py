"""The loop in which a worker runs the nodes that come over a connection."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection

from runner.engine.observer import Loaded, Observer, Ran
from runner.engine.results import decode, encode
from runner.engine.stage_runner import StageRunner
from runner.errors import RunnerError
from runner.graph.node import Node
from runner.graph.stage_table import STAGES
from runner.workers.messages import (
    Failed,
    Happened,
    Keep,
    PipelineLoaded,
    Ready,
    Relieved,
    Run,
    Started,
    Stepped,
)
from runner.workers.setup import WorkerSetup, open_pipelines

SECONDS_BETWEEN_STEPS = 0.1
"""Shortest time in seconds between two messages about steps."""


class NodeServer:
    """Serves one connection after another, and keeps its pipelines between them."""

    def __init__(self, opening: WorkerSetup) -> None:
        self._messenger = Messenger(_nobody)
        self._runner = StageRunner(
            lambda: open_pipelines(opening), self._messenger, opening.profile.bench
        )

    def serve(self, connection: Connection) -> None:
        """Run the nodes that come over a connection, until its other end is closed."""
        self._messenger.send = connection.send
        try:
            connection.send(Ready(os.getpid()))
            while True:
                message = connection.recv()
                if isinstance(message, Keep):
                    self._runner.evict_except(message.specs)
                else:
                    assert isinstance(message, Run)
                    connection.send(run_node(self._runner, message))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            pass  # the runner has closed the connection
        finally:
            self._messenger.send = _nobody


def run_node(runner: StageRunner, message: Run) -> Ran | Failed:
    """Run the message's node; a RunnerError is returned as a message."""
    kind = STAGES[message.node.stage].result
    inputs = {name: decode(made) for name, made in message.inputs.items()}
    try:
        ran = runner.run(message.node, inputs)
    except RunnerError as error:
        return Failed(str(error), "".join(traceback.format_exception(error)))
    return replace(ran, made=encode(kind, ran.made))


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
