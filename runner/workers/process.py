"""A worker process: runs the nodes that it receives, until its pipe is closed.

`python -m runner.workers.process <lifeline> <pipe> [<pipe> ...]`, all of them file descriptors.
With several pipes one process imports torch and diffusers once and forks a worker for each. Only
for the CPU: these imports ask for CUDA devices, and processes forked after that cannot use CUDA.
The `Start` message comes over the first pipe, possibly later.

The runner's death closes the lifeline, and all of these processes end at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import Client, Connection

from runner.engine.observer import Loaded, Observer, Ran
from runner.engine.results import decode, encode
from runner.engine.stage_runner import StageRunner
from runner.errors import RunnerError
from runner.graph.node import Node
from runner.graph.stage_table import STAGES
from runner.system import garbage
from runner.system.terminal import keep_clean
from runner.workers.messages import (
    Failed,
    FromWorker,
    Happened,
    Keep,
    PipelineLoaded,
    Ready,
    Relieved,
    Run,
    Start,
    Started,
    Stepped,
)
from runner.workers.setup import WorkerSetup, import_libraries, import_pipelines, open_pipelines

SECONDS_BETWEEN_STEPS = 0.1
"""Shortest time in seconds between two messages about steps."""


def main(arguments: list[str]) -> None:
    """Fork the workers and wait until the runner ends."""
    for stopping in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stopping, signal.SIG_IGN)  # the runner decides when the workers end
    keep_clean()
    lifeline, *pipes = map(int, arguments)
    connections = [Connection(pipe) for pipe in pipes]
    workers: list[int] = []
    _end_with_runner(lifeline, workers)
    import_libraries()
    try:
        start = connections[0].recv()
    except (EOFError, ConnectionResetError):
        os._exit(0)  # not needed, or the runner has ended
    assert isinstance(start, Start)
    import_pipelines(start.classes)
    garbage.set_aside()  # else garbage collection in a worker would copy the shared memory pages
    for connection in connections[start.workers :]:
        connection.close()
    del connections[start.workers :]
    if len(connections) == 1:
        _work(connections[0], _placed(start.opening, start.place))
        return
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    # Python 3.12 and later warn of a fork beside a thread. Our thread only waits and has no lock.
    warnings.simplefilter("ignore", DeprecationWarning)
    for connection in connections:
        child = os.fork()
        if child == 0:
            for other in connections:
                if other is not connection:
                    other.close()
            _end_with_runner(lifeline, ())
            _work(connection, start.opening)
            os._exit(0)
        workers.append(child)
    for connection in connections:
        connection.close()
    while True:
        signal.pause()


def serve(address: tuple[str, int], key: bytes) -> None:
    """Run as a worker of the runner that listens at `address`, on this or another machine."""
    keep_clean()
    with Client(address, authkey=key) as connection:
        start = connection.recv()
        assert isinstance(start, Start)
        import_libraries()
        import_pipelines(start.classes)
        _work(connection, start.opening)


def _placed(opening: WorkerSetup, place: int) -> WorkerSetup:
    if opening.profile.device != "cuda":
        return opening
    import torch

    device = f"cuda:{place % max(1, torch.cuda.device_count())}"
    return replace(opening, profile=replace(opening.profile, device=device))


def _end_with_runner(lifeline: int, workers: Sequence[int]) -> None:
    """End this process and its `workers`, a list that may grow, when the runner ends."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            os.read(lifeline, 1)
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        os._exit(0)  # at once: freeing torch takes more than a second

    threading.Thread(target=watch, daemon=True).start()


def _work(connection: Connection, opening: WorkerSetup) -> None:
    tell: Callable[[FromWorker], None] = connection.send
    runner = StageRunner(lambda: open_pipelines(opening), Messenger(tell), opening.profile.bench)
    try:
        tell(Ready(os.getpid()))
        while True:
            message = connection.recv()
            if isinstance(message, Keep):
                runner.evict_except(message.specs)
            else:
                assert isinstance(message, Run)
                tell(run_node(runner, message))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the runner has closed the connection


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
    """Sends events as messages."""

    def __init__(self, send: Callable[[Happened], None]) -> None:
        self._send = send
        self._last_step = 0.0

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self._send(PipelineLoaded(loaded))

    def node_started(self, node: Node) -> None:
        self._send(Started())

    def memory_relieved(self, node: Node, how: str) -> None:
        self._send(Relieved(how))

    def node_step(self, node: Node, step: int, steps: int) -> None:
        now = time.monotonic()
        if step == steps or now - self._last_step > SECONDS_BETWEEN_STEPS:
            self._last_step = now
            self._send(Stepped(step, steps))


if __name__ == "__main__":
    main(sys.argv[1:])
