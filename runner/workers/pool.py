"""A pool of worker processes on this machine."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Collection
from dataclasses import replace

from runner.engine.observer import Observer
from runner.graph.node import PipelineSpec
from runner.workers.connected import ConnectedWorkers, Worker
from runner.workers.host import Host, take
from runner.workers.setup import WorkerSetup


class Pool(ConnectedWorkers):
    """Worker processes on this machine, each connected by a pipe."""

    def __init__(
        self, opening: WorkerSetup, specs: Collection[PipelineSpec], count: int, observer: Observer
    ) -> None:
        super().__init__(opening, specs, observer)
        self._hosts: list[Host] = []
        self._add(count)

    def close(self) -> None:
        for host in self._hosts:
            host.close()

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
