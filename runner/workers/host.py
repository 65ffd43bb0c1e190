"""Host processes: each imports torch and diffusers once and forks workers on this machine.

They may stand by: started while the command is still being planned, so that their imports cost no
time. Workers on a CPU are forked from one; for accelerators each is a process of its own.

Why not `multiprocessing`'s forkserver: its workers run the user's script again, so `sweep()` in a
script without a `__main__` guard would fail, and no public function ends the server or tells its
process id. Measured beside this one it was no faster, and took more CPU time and memory.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING

from runner.system.machine import module_command, module_environment

if TYPE_CHECKING:
    from runner.workers.messages import Start


class Host:
    """A process that imports libraries and then waits for a `Start` message to fork workers.

    Args:
        places: the largest number of workers.

    Attributes:
        connections: to the workers, once they were started.
    """

    def __init__(self, places: int) -> None:
        pairs = [Pipe() for _ in range(places)]
        self.connections: list[Connection] = [ours for ours, _ in pairs]
        lifeline, self._lifeline_end = os.pipe()
        ends = [lifeline, *(theirs.fileno() for _, theirs in pairs)]
        command = module_command("runner.workers.process", *map(str, ends))
        self._stays = False
        try:
            # In a process group of its own: only the runner reacts to Ctrl-C in the terminal.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=ends,
                process_group=0,
                env=module_environment(users_modules=True),
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
        """Id of the process that the workers are forked from."""
        return self._process.pid

    def start(self, start: Start) -> None:
        """Have the host fork its workers; places beyond their number are not used."""
        for connection in self.connections[start.workers :]:
            connection.close()
        del self.connections[start.workers :]
        self._stays = start.stay is not None
        with contextlib.suppress(OSError):  # it died at once: noticed when waiting for a worker
            self.connections[0].send(start)

    def close(self) -> None:
        """End the host and its workers, even while they compute; let go of those that stay."""
        os.close(self._lifeline_end)
        for connection in self.connections:
            connection.close()
        if self._stays:
            _staying.append(self._process)
        else:
            self._process.wait()
        _staying[:] = [one for one in _staying if one.poll() is None]


_staying: list[subprocess.Popen[bytes]] = []
"""Processes that are not waited for; those that have ended are taken off the system's table here.
"""
_standing_by: list[Host] = []


def stand_by(places: Sequence[int]) -> None:
    """Start hosts in advance, so that they import meanwhile.

    Args:
        places: for each host, the largest number of its workers.
    """
    if not _standing_by:
        with contextlib.suppress(OSError):  # reported later, by `take`, if a host is needed
            _standing_by.extend(map(Host, places))


def stands_by() -> bool:
    """Whether a host stands by."""
    return bool(_standing_by)


def take(places: int) -> Host:
    """A host that stands by, if one has enough places; else a new one."""
    for standing in _standing_by:
        if len(standing.connections) >= places:
            _standing_by.remove(standing)
            return standing
    stand_down()
    return Host(places)


def stand_down() -> None:
    """End the hosts that still stand by: none is needed."""
    while _standing_by:
        _standing_by.pop().close()
