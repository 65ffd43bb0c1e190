"""A pool of worker processes on this machine."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.engine.observer import Observer
from runner.graph.node import PipelineSpec
from runner.workers.connected import ConnectedWorkers, Worker
from runner.workers.handed_on import HandedOn
from runner.workers.host import Host, take
from runner.workers.messages import NextProfile, Start, Stay
from runner.workers.residence import place_of
from runner.workers.setup import WorkerSetup
from runner.workers.takeover import leave_behind

if TYPE_CHECKING:
    from runner.workers.takeover import Taken


class Pool(ConnectedWorkers):
    """Worker processes on this machine, each connected by a pipe, or by the socket of one that has
    stayed after another command.

    Args:
        count: how many.
        taken: those of them that were taken over.
        begin: has one of these begin.
        stay: how others stay after the command; None: they end with it.
        handed_on: where workers are left for the command's next profile; None: there is none.
        going_on: those that were left there by the one before.
    """

    def __init__(
        self,
        opening: WorkerSetup,
        specs: Collection[PipelineSpec],
        count: int,
        observer: Observer,
        *,
        taken: Sequence[Taken] = (),
        begin: Callable[[Taken, Start], None] | None = None,
        stay: Stay | None = None,
        handed_on: HandedOn | None = None,
        going_on: Sequence[Worker] = (),
    ) -> None:
        super().__init__(opening, specs, observer)
        self._start = replace(self._start, stay=stay, goes_on=handed_on is not None)
        self._hosts: list[Host] = []
        self._handed_on = handed_on
        self._workers += going_on
        for worker in going_on:
            self._send(worker, NextProfile(opening, self._start.classes))
        self._taken = list(taken)
        for one in self._taken:
            assert begin is not None
            place = place_of(one.resident.device)
            self._workers.append(Worker(one.connection, one.resident.pid, place=place))
            with contextlib.suppress(OSError):  # it died: `wait` notices that
                begin(one, self._start)
        if count > len(self._workers):
            self._add(count - len(self._workers))

    def close(self) -> None:
        if self._handed_on is not None:
            device = self._start.opening.profile.device
            self._handed_on.leave(self._idle, self._hosts, device)
            return
        for host in self._hosts:
            host.close()
        for one in self._taken:
            one.give_back()
        if self._start.stay is not None:
            for pid in self.pids():
                leave_behind(pid)

    def _add(self, count: int) -> None:
        """Start processes: where forking is safe, all from one host, which imports once."""
        if count > 1 and not self._can_fork:
            for _ in range(count):
                self._add(1)
            return
        host = take(count)
        self._hosts.append(host)
        place = self._free_place()
        host.start(replace(self._start, workers=count, place=place))
        self._workers += [
            Worker(connection, host.pid, place=place) for connection in host.connections
        ]

    @property
    def _can_fork(self) -> bool:
        return sys.platform.startswith("linux") and self._start.opening.profile.device == "cpu"

    def _free_place(self) -> int:
        """The lowest place that no worker has, such as that of one that died."""
        taken = {worker.place for worker in self._workers}
        return next(place for place in itertools.count() if place not in taken)
