"""Where workers that stay are found: a folder that only the user can enter.

Each has four files there, named by its process id: a description (.json), the socket it listens on,
a lock that it holds while it lives (.alive), and one that the command holds that it works for
(.lock). The system releases locks however a process ends, so no file can tell a lie.

The folder is opened once, and it is checked as it was opened; everything in it is then reached
through its descriptor, so that nobody can put another one in its place meanwhile. No key is needed
beside that: a key in the same folder would prove no more.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from runner.system import locks

DESCRIPTION, SOCKET, ALIVE, BUSY = ".json", ".socket", ".alive", ".lock"
REGISTERING = "registering"
"""A lock: whoever adds files of a worker, or removes those of a dead one."""


@dataclass(frozen=True)
class Resident:
    """A worker that stays, as it describes itself.

    Attributes:
        device: "cpu", "cuda:N" or "mps".
        code: the hash of what it has imported: see `runner.workers.takeover_key`.
        setting: that of what else must be the same, for the same pixels and speed.
        since: when it began, in seconds since the epoch.
        until: when it leaves, if nothing comes before; None while it works for a command.
        bytes: of memory that it holds, the device's where that is known; None: not known.
        loaded: pipelines, each with its precision.
        commands: how many it has worked for.
    """

    pid: int
    device: str
    threads: int
    code: str
    setting: str
    since: float
    until: float | None
    bytes: int | None
    loaded: tuple[str, ...]
    commands: int


class Residence:
    """The open folder.

    Attributes:
        path: of the folder, for messages.
    """

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._root = Path(f"/proc/self/fd/{descriptor}")
        self.path = path

    def close(self) -> None:
        os.close(self._descriptor)

    def residents(self) -> list[Resident]:
        """Those that live, oldest first. What others have left behind is removed."""
        found = []
        for name in sorted(self._names(DESCRIPTION)):
            if not locks.is_held(self._root / f"{name}{ALIVE}"):
                self._remove_dead()
            elif (one := self._described(name)) is not None:
                found.append(one)
        return sorted(found, key=lambda one: one.since)

    def is_busy(self, pid: int) -> bool:
        """Whether it works for a command."""
        return locks.is_held(self._file(pid, BUSY))

    def is_alive(self, pid: int) -> bool:
        return locks.is_held(self._file(pid, ALIVE))

    def reserve(self, pid: int, patience: float = 0.0) -> IO[str]:
        """Take a resident for a command, until the file is closed.

        Args:
            patience: seconds to wait for it.

        Raises:
            BlockingIOError: another command has it.
        """
        for _ in range(3 + round(patience / 0.005)):
            with contextlib.suppress(BlockingIOError):
                return locks.hold(self._file(pid, BUSY))
            time.sleep(0.005)  # somebody may only have looked whether it is held
        return locks.hold(self._file(pid, BUSY))

    def register(self, pid: int) -> tuple[socket.socket, IO[str], IO[str]]:
        """The calling process's listening socket, and its locks: that it lives, that it is busy."""
        with locks.lock_file(self._root / REGISTERING):
            self._remove(str(pid))  # of a dead process with the same id
            alive = locks.hold(self._file(pid, ALIVE))
            busy = locks.hold(self._file(pid, BUSY))
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(str(self._file(pid, SOCKET)))
            listener.listen()
        return listener, alive, busy

    def describe(self, resident: Resident) -> None:
        """Write, or renew, a resident's description."""
        target = self._file(resident.pid, DESCRIPTION)
        part = target.with_suffix(".part")
        part.write_text(json.dumps(asdict(resident)), encoding="utf-8")
        part.replace(target)

    def has(self, pid: int) -> bool:
        """Whether a resident can be found: not where somebody removed its files."""
        return self._file(pid, DESCRIPTION).exists() and self._file(pid, SOCKET).exists()

    def remove(self, pid: int) -> None:
        """Remove the files of a resident, which is leaving."""
        with locks.lock_file(self._root / REGISTERING):
            self._remove(str(pid))

    def connect(self, pid: int) -> socket.socket:
        """A connection to a resident.

        Raises:
            OSError: there is none any more, or it is another user's.
        """
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            one.connect(str(self._file(pid, SOCKET)))
            if not is_own(one):
                raise PermissionError("it is another user's")
        except OSError:
            one.close()
            raise
        return one

    def _file(self, pid: int, suffix: str) -> Path:
        return self._root / f"{pid}{suffix}"

    def _names(self, *suffixes: str) -> Iterator[str]:
        for entry in os.listdir(self._descriptor):
            name, dot, suffix = entry.partition(".")
            if name.isdigit() and dot + suffix in suffixes:
                yield name

    def _described(self, name: str) -> Resident | None:
        try:
            file = self._root / f"{name}{DESCRIPTION}"
            values = json.loads(file.read_text(encoding="utf-8"))
            return Resident(**{**values, "loaded": tuple(values["loaded"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None  # it is leaving, or of another version of this program

    def _remove_dead(self) -> None:
        with locks.lock_file(self._root / REGISTERING):
            for name in set(self._names(DESCRIPTION, SOCKET, ALIVE, BUSY)):
                if not locks.is_held(self._root / f"{name}{ALIVE}"):
                    self._remove(name)

    def _remove(self, name: str) -> None:
        for suffix in (DESCRIPTION, ".part", SOCKET, BUSY, ALIVE):
            (self._root / f"{name}{suffix}").unlink(missing_ok=True)


def is_own(connection: socket.socket) -> bool:
    """Whether the process at the other end of a Unix socket is this user's, by the system's word.

    Source: SO_PEERCRED in unix(7).
    """
    credentials = struct.Struct("3i")
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
    _, user, _ = credentials.unpack(found)
    return bool(user == os.geteuid())


def of_device(residents: Sequence[Resident], device: str) -> list[Resident]:
    """Those on a device, where `cuda` is any of that kind."""
    return [one for one in residents if one.device == device or _kind_is(one.device, device)]


def _kind_is(device: str, kind: str) -> bool:
    return ":" not in kind and device.startswith(f"{kind}:")


def place_of(device: str) -> int:
    """The number of an accelerator; 0 where it has none."""
    return int(device.partition(":")[2] or 0)
