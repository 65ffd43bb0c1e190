"""Worker processes on this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Collection
from multiprocessing.connection import Pipe

from runner.events import Observer
from runner.graph import PipelineSpec
from runner.opening import Opening
from runner.workers.connected import ConnectedWorkers, Worker


class Pool(ConnectedWorkers):
    """So many processes, each at the other end of a pipe."""

    def __init__(
        self, opening: Opening, specs: Collection[PipelineSpec], count: int, observer: Observer
    ) -> None:
        super().__init__(opening, specs, observer)
        self._hosts: list[subprocess.Popen[bytes]] = []
        self._lifeline, self._lifeline_end = os.pipe()
        self._add(count)

    def close(self) -> None:
        os.close(self._lifeline_end)  # their processes see it and end
        for worker in self._workers:
            worker.connection.close()
        for host in self._hosts:
            host.wait()
        os.close(self._lifeline)

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
            self._workers.append(Worker(ours, host.pid))
        with contextlib.suppress(OSError):  # it died at once: seen when it is waited for
            pairs[0][0].send(self._start)
