"""Processes of this machine that import what workers need, and fork them: torch is imported once.

One may stand by: begun while a sweep is still being planned, so that its imports cost no time.

Why not `multiprocessing`'s forkserver: its workers run the user's script again, so `sweep()` in a
script without a `__main__` guard would fail, and no public function ends the server or tells its
process id. Measured beside this one it was no faster, and took more CPU time and memory.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING

from runner.system.machine import cpu_cores, module_command, python_path

if TYPE_CHECKING:
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
        command = module_command("runner.workers.process", *map(str, ends))
        try:
            # In a group of its own: Ctrl-C in the terminal is the runner's alone to act upon.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=ends,
                process_group=0,
                env={**os.environ, "PYTHONPATH": python_path(users_modules=True)},
            )
        except OSError:
            os.close(self._lifeline_end)
            for ours in self.connections:
                ours.close()
            raise
        finally:
            os.close(lifeline)
            for _, theirs in pairs:
                theirs.close()

    @property
    def pid(self) -> int:
        """Of the process that the workers are forked from."""
        return self._process.pid

    def start(self, start: Start) -> None:
        """Have it begin the workers; the other places are given up."""
        for connection in self.connections[start.workers :]:
            connection.close()
        del self.connections[start.workers :]
        with contextlib.suppress(OSError):  # it died at once: seen when a worker is waited for
            self.connections[0].send(start)

    def close(self) -> None:
        """End it and its workers, whatever they are doing."""
        os.close(self._lifeline_end)
        for connection in self.connections:
            connection.close()
        self._process.wait()


_standing_by: list[Host] = []


def stand_by() -> None:
    """Have a host import already, with a place for each core."""
    if not _standing_by:
        with contextlib.suppress(OSError):  # if it has to be, it is told by whoever needs one
            _standing_by.append(Host(cpu_cores()))


def take(places: int) -> Host:
    """The one that stands by, if it has as many places; else another one."""
    if _standing_by and len(_standing_by[0].connections) >= places:
        return _standing_by.pop()
    stand_down()
    return Host(places)


def stand_down() -> None:
    """None will be needed: it does not go on importing."""
    while _standing_by:
        _standing_by.pop().close()
