"""Processes of this machine that import what workers need, and fork them: torch is imported once.

One may stand by: begun while a sweep is still being planned, so that its imports cost no time.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, Pipe

from runner.machine import cpu_cores, likely_device
from runner.workers.messages import Start


class Host:
    """A process that waits to be told what its workers open.

    Args:
        places: how many workers it can have at most.

    Attributes:
        connections: to the workers, once it has been told to start them.
    """

    def __init__(self, places: int) -> None:
        pairs = [Pipe() for _ in range(places)]
        self.connections: list[Connection] = [ours for ours, _ in pairs]
        lifeline, self._lifeline_end = os.pipe()
        ends = [lifeline, *(theirs.fileno() for _, theirs in pairs)]
        command = [sys.executable, "-m", "runner.workers.process", *map(str, ends)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=ends)
        os.close(lifeline)
        for _, theirs in pairs:
            theirs.close()

    @property
    def pid(self) -> int:
        """Of the process that the workers are forked from."""
        return self._process.pid

    def start(self, start: Start, workers: int) -> None:
        """Have it fork so many workers; the other places are given up."""
        for connection in self.connections[workers:]:
            connection.close()
        del self.connections[workers:]
        with contextlib.suppress(OSError):  # it died at once: seen when a worker is waited for
            self.connections[0].send(replace(start, workers=workers))

    def close(self) -> None:
        """End it and its workers, whatever they are doing."""
        os.close(self._lifeline_end)
        for connection in self.connections:
            connection.close()
        self._process.wait()

    def kill(self) -> None:
        """End it before it has workers, also while it imports."""
        self._process.kill()
        self.close()


_standing_by: list[Host] = []


def stand_by(arguments: Sequence[str]) -> None:
    """Have a host import already, where these arguments will most likely need several workers."""
    if not _standing_by and _likely(arguments):
        _standing_by.append(Host(cpu_cores()))


def take(places: int) -> Host:
    """The one that stands by, if it has as many places; else another one."""
    if _standing_by and len(_standing_by[0].connections) >= places:
        return _standing_by.pop()
    return Host(places)


def stand_down() -> None:
    """None will be needed: it does not go on importing."""
    while _standing_by:
        _standing_by.pop().kill()


def _likely(arguments: Sequence[str]) -> bool:
    keys = {argument.partition("=")[0] for argument in arguments}
    return (
        not keys.isdisjoint({"-m", "--multirun"})
        and keys.isdisjoint({"workers", "device", "bench", "hydra/launcher"})
        and sys.platform.startswith("linux")
        and cpu_cores() > 1
        and likely_device() == "cpu"
    )
