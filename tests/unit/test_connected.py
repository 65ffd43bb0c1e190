"""Which worker gets which node, and what becomes of nodes that wait."""

from __future__ import annotations

from dataclasses import replace
from multiprocessing.connection import Connection, Pipe
from typing import Any

import pytest

from runner.config.choices import CacheMode
from runner.config.run_config import Bench
from runner.engine.observer import Observer, Ran
from runner.engine.results import Encoded
from runner.errors import StageError
from runner.graph.node import Node, SchedulerSpec
from runner.graph.stage_table import ResultKind
from runner.planning.profile import ExecutionProfile
from runner.workers.connected import ConnectedWorkers, Worker
from runner.workers.messages import About, Ready, Recall, Recalled, Run, Started
from runner.workers.setup import WorkerSetup
from unit.engine_bench import SPEC

OTHER = replace(SPEC, weights="others")
SAME_MODULES = replace(SPEC, pipeline="Another", scheduler=SchedulerSpec("ddim"))
MANY = 100
NOBODY = Observer()


class Played(ConnectedWorkers):
    """Workers that the test plays.

    Attributes:
        theirs: their ends of the connections, in the order in which they came.
    """

    def __init__(self, count: int, bench: Bench | None = None, observer: Observer = NOBODY) -> None:
        profile = ExecutionProfile(CacheMode.off, "cpu", 1, None, None, bench, 1)  # type: ignore[arg-type]
        super().__init__(WorkerSetup((), profile, ()), [], observer)
        self.theirs: list[Connection] = []
        self._add(count)

    def close(self) -> None:
        for worker in self._workers:
            worker.connection.close()

    def _add(self, count: int) -> None:
        for _ in range(count):
            ours, theirs = Pipe()
            number = len(self.theirs)
            self.theirs.append(theirs)
            self._workers.append(Worker(ours, number))
            theirs.send(Ready(number))
            self.wait()

    def give(self, *nodes: Node) -> None:
        for node in nodes:
            assert self.has_idle() or self.takes_next(node, MANY)
            self.submit(node, {})

    def got(self, number: int) -> list[str]:
        """What a worker was sent since: the nodes' labels, "recall"."""
        found = []
        while self.theirs[number].poll():
            message = self.theirs[number].recv()
            found.append(message.node.label if isinstance(message, Run) else "recall")
            assert isinstance(message, Run | Recall)
        return found

    def ends(self, number: int, node: Node, what: Any = None) -> Any:
        """A worker says that a node has ended; what `wait` returns."""
        done = Ran(Encoded(ResultKind.tensors, b""), 1.0)
        self.theirs[number].send(About(node.key, done if what is None else what))
        return self.wait()

    def dies(self, number: int) -> Any:
        self.theirs[number].close()
        return self.wait()


def node(label: str, spec: Any = SPEC) -> Node:
    return Node("prior", 1, {"label": label}, pipeline=spec, label=label)


A, B, C, D, E = map(node, "ABCDE")


def test_a_node_waits_behind_another_only_where_no_worker_is_idle() -> None:
    workers = Played(2)
    workers.give(A, B, C, D)
    assert (workers.got(0), workers.got(1)) == (["A", "C"], ["B", "D"])
    assert not workers.has_idle()
    assert not workers.takes_next(E, MANY)
    ended = workers.ends(1, B)
    assert ended[0] is B
    assert isinstance(ended[1], Ran)
    workers.give(E)
    assert (workers.got(0), workers.got(1)) == ([], ["E"])


@pytest.mark.parametrize(("count", "ready", "waits"), [(1, 1, True), (2, 2, False), (2, 3, True)])
def test_the_last_nodes_are_left_for_the_worker_that_is_free_first(
    count: int, ready: int, waits: bool
) -> None:
    workers = Played(count)
    workers.give(*[A, B][:count])
    assert workers.takes_next(C, ready) is waits


def test_who_waits_for_workers_can_stop_them_before_the_running_stage_ends() -> None:
    workers = Played(1)
    workers.give(A)
    assert workers.wait() is None  # nothing was said for a moment
    assert not workers.has_waiting()
    workers.give(B)
    assert workers.has_waiting()


def test_a_node_waits_only_where_its_modules_are() -> None:
    """Else they would be loaded before the worker is told which others it may unload."""
    workers = Played(1)
    workers.give(A)
    assert not workers.takes_next(node("other", OTHER), MANY)
    assert workers.takes_next(node("same", SAME_MODULES), MANY)
    assert workers.takes_next(node("none", None), MANY)


def test_nothing_waits_where_seconds_are_measured() -> None:
    workers = Played(1, Bench(1, 1))
    workers.give(A)
    assert not workers.takes_next(B, MANY)


def test_nodes_of_a_worker_that_dies_are_run_by_others_and_alone() -> None:
    workers = Played(1)
    workers.give(A, B)
    assert workers.dies(0) is None
    assert workers.got(1) == ["A"]  # it may have been the one that it died with
    assert not workers.takes_next(C, MANY)
    workers.ends(1, A)
    assert workers.got(1) == ["B"]
    assert workers.takes_next(C, MANY)  # this one is above suspicion


def test_a_node_that_no_worker_survives_is_given_up_and_the_other_is_not() -> None:
    workers = Played(1)
    workers.give(A, B)
    for number in range(3):
        workers.dies(number)
    given_up = workers.wait()
    assert given_up[0] is A  # type: ignore[index]
    assert isinstance(given_up[1], StageError)  # type: ignore[index]
    assert workers.got(3) == ["B"]


def test_what_waits_is_taken_back() -> None:
    workers = Played(2)
    workers.give(A, B, C)
    workers.recall()
    assert (workers.got(0), workers.got(1)) == (["A", "C", "recall"], ["B"])
    assert workers.ends(0, C, Recalled()) == (C, None)
    assert workers.ends(0, A)[0] is A
    # Nor is a node that a worker dies with run again.
    workers.dies(1)
    assert workers.wait() == (B, None)


def test_what_a_worker_tells_is_passed_on_with_its_node() -> None:
    started: list[Node] = []

    class Watch(Observer):
        def node_started(self, node: Node) -> None:
            started.append(node)

    workers = Played(1, observer=Watch())
    workers.give(A, B)
    assert workers.ends(0, A, Started()) is None
    workers.ends(0, A)
    assert workers.ends(0, B, Started()) is None
    assert started == [A, B]
