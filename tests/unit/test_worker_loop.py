"""A worker's loop: what feeds the device waits for no result to be sent and for no next node."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, Pipe
from types import ModuleType
from typing import Any

import pytest
import torch

from runner.config.choices import CacheMode
from runner.engine.observer import Ran
from runner.engine.results import Encoded
from runner.graph.node import Node
from runner.graph.stage_table import STAGES, ResultKind, Stage
from runner.planning.profile import ExecutionProfile
from runner.workers.loop import RESULTS_WAITING, NodeServer
from runner.workers.messages import About, Failed, Ready, Recall, Recalled, Run, Started
from runner.workers.setup import WorkerSetup

LONG = 1_000_000
"""Numbers in a result: more bytes than a connection takes before it is read."""


class Worker:
    """A `NodeServer` in a thread, and the runner's end of its connection.

    Attributes:
        begun: labels of the nodes that have begun.
        go_on: those labelled "long" end when it is set.
    """

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go_on = threading.Event()
        self.connection, theirs = Pipe()
        profile = ExecutionProfile(CacheMode.off, "cpu", 1, None, None, None, 1)  # type: ignore[arg-type]
        server = NodeServer(WorkerSetup((), profile, ()))
        self.thread = threading.Thread(target=self._serve, args=[server, theirs], daemon=True)
        self.thread.start()
        assert isinstance(self.connection.recv(), Ready)

    def run(self, node: Node, inputs: Any, pipeline: Any, on_step: Any) -> Any:
        self.begun.append(node.label)
        if node.label.startswith("long"):
            assert self.go_on.wait(20)
        return {"numbers": "none" if node.label == "wrong" else torch.zeros(LONG)}

    def give(self, *labels: str, **inputs: Encoded) -> None:
        for label in labels:
            self.connection.send(Run(Node("made", 1, {"label": label}, label=label), inputs))

    def told(self) -> Any:
        assert self.connection.poll(20)
        message = self.connection.recv()
        assert isinstance(message, About)
        return message.what

    @staticmethod
    def _serve(server: NodeServer, connection: Connection) -> None:
        with connection:
            server.serve(connection)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    made = Worker()
    module = ModuleType("stand_in_made")
    module.run = made.run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(STAGES, "made", Stage("made", 1, module.__name__, ResultKind.tensors))
    yield made
    made.go_on.set()
    made.connection.close()
    made.thread.join(20)
    assert not made.thread.is_alive()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nodes_go_on_while_results_wait_to_be_sent_but_not_without_bound(worker: Worker) -> None:
    worker.give("a", "b", "c", "d", "e", "f")
    until(lambda: len(worker.begun) == RESULTS_WAITING + 1)
    time.sleep(0.2)
    assert worker.begun == ["a", "b", "c"]  # the third waits for a place
    for label in "abcdef":
        assert isinstance(worker.told(), Started)
        ran = worker.told()
        assert isinstance(ran, Ran), label
    assert worker.begun == ["a", "b", "c", "d", "e", "f"]


def test_a_node_that_waits_can_be_taken_back(worker: Worker) -> None:
    worker.give("long", "next")
    until(lambda: worker.begun == ["long"])
    worker.connection.send(Recall())
    assert isinstance(worker.told(), Started)
    assert isinstance(worker.told(), Recalled)
    worker.go_on.set()
    assert isinstance(worker.told(), Ran)
    worker.give("another")
    assert isinstance(worker.told(), Started)
    assert worker.begun == ["long", "another"]


def test_a_node_that_waits_is_not_run_once_the_runner_has_gone(worker: Worker) -> None:
    worker.give("long", "next")
    until(lambda: worker.begun == ["long"])
    worker.connection.close()
    time.sleep(0.5)  # it sees that
    worker.go_on.set()
    worker.thread.join(20)
    assert worker.begun == ["long"]


def test_a_result_that_cannot_be_encoded_fails_its_node_alone(worker: Worker) -> None:
    worker.give("wrong", "right")
    assert isinstance(worker.told(), Started)
    failed = worker.told()
    assert isinstance(failed, Failed)
    assert "in encode" in failed.traceback
    assert isinstance(worker.told(), Started)
    assert isinstance(worker.told(), Ran)


def test_a_damaged_input_fails_its_node_alone(worker: Worker) -> None:
    worker.give("first", image=Encoded(ResultKind.image, b"no picture"))
    failed = worker.told()
    assert isinstance(failed, Failed)
    assert "a stored picture is no PNG" in failed.error
    assert worker.begun == []
