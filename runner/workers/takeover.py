"""Takes over the workers that stay on this machine, and has those leave that are in the way."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.connection import Connection
from typing import IO, Any

from runner.planning.profile import ExecutionProfile
from runner.system.machine import cpu_cores, python_path
from runner.workers.messages import Start, Stay, TakeOver
from runner.workers.residence import Residence, Resident, of_device, place_of
from runner.workers.residence_folder import open_residence, opened_residence
from runner.workers.takeover_key import code_key, setting_key

ANSWER_SECONDS = 1.0
"""How long a worker may take to answer: one that finishes a stage of a command that was killed is
not waited for."""
LEAVE_SECONDS = 5.0
LEAVE = {"ask": "leave"}
HAND_OVER_SECONDS = 1.0
"""How long a worker may take between two parts of a command, such as the profiles of a sweep."""
_left: set[int] = set()


@dataclass(eq=False)
class Taken:
    """A worker that was taken over.

    Attributes:
        lock: closed when it is given back.
    """

    resident: Resident
    connection: Connection
    lock: IO[str]

    def give_back(self) -> None:
        """Let it go; it stays."""
        leave_behind(self.resident.pid)
        self.connection.close()
        self.lock.close()


class Takeover:
    """What a command with this profile finds, and what it leaves.

    Args:
        keep: seconds that its workers are to stay; None: those that it begins end with it.
    """

    def __init__(self, profile: ExecutionProfile, keep: float | None) -> None:
        self._profile = profile
        self._keep = keep

    def take(self, count: int) -> list[Taken]:
        """Up to so many workers that can go on with the profile. Others that are outdated, or in
        the way on an accelerator, leave.
        """
        with opened_residence() as residence:
            if residence is None:
                return []
            there = of_device(residence.residents(), self._profile.device)
            taken: list[Taken] = []
            for one in there:
                if len(taken) < count and self._suits(one) and self._is_placed(one, count):
                    found = self._taken(residence, one)
                    if found is not None:
                        taken.append(found)
            used = {one.resident.pid for one in taken}
            others = [one for one in there if one.pid not in used]
            have_leave(
                residence, [one for one in others if self._is_in_the_way(residence, one, count)]
            )
            return taken

    def make_room(self) -> None:
        """Have those leave that hold memory of accelerators for nobody."""
        with opened_residence() as residence:
            if residence is not None and self._profile.device != "cpu":
                there = of_device(residence.residents(), self._profile.device)
                have_leave(residence, [one for one in there if not residence.is_busy(one.pid)])

    def stay(self, new: int, taken: int) -> Stay | None:
        """How further workers stay; None: they end with the command, as it wants it, or because
        as many stay already as the device has room for.

        Args:
            new: how many are to be begun, beside `taken`.

        Raises:
            ConfigError: the folder in which they would be found is not the user's alone.
        """
        if self._keep is None:
            return None
        residence = open_residence(create=True, keep=self._keep)
        assert residence is not None
        with contextlib.closing(residence):
            there = of_device(residence.residents(), self._profile.device)
        room = cpu_cores() if self._profile.device == "cpu" else new + taken
        if len(there) + new > room:
            return None
        return Stay(self._keep, self._code, self._setting)

    def start(self, one: Taken, start: Start) -> None:
        """Have a worker begin with the command. Raises OSError where it is gone."""
        environment = {**os.environ, "PYTHONPATH": self._path}
        message = TakeOver(start.opening, start.classes, environment, _folder(), self._keep)
        one.connection.send(message)

    @cached_property
    def _code(self) -> str:
        return code_key()

    @cached_property
    def _setting(self) -> str:
        return setting_key(self._profile)

    @cached_property
    def _path(self) -> str:
        return python_path(users_modules=True)

    def _suits(self, one: Resident) -> bool:
        return (one.code, one.setting) == (self._code, self._setting)

    def _is_placed(self, one: Resident, count: int) -> bool:
        """Whether it is on one of the devices that so many workers are dealt out to."""
        place = place_of(one.device)
        return self._profile.device != "cuda" or place < count

    def _is_in_the_way(self, residence: Residence, one: Resident, count: int) -> bool:
        """Whether it is outdated, or holds memory of an accelerator that is needed."""
        if one.code != self._code:
            return True
        placed = self._profile.device != "cpu" and self._is_placed(one, count)
        return placed and not residence.is_busy(one.pid)

    def _taken(self, residence: Residence, one: Resident) -> Taken | None:
        """The worker; None: it works for another command, or has gone."""
        patience = HAND_OVER_SECONDS if one.pid in _left else 0.0
        try:
            lock = residence.reserve(one.pid, patience)
        except OSError:
            return None
        question = {"ask": "work", "code": self._code, "setting": self._setting, "path": self._path}
        try:
            with residence.connect(one.pid) as connected:
                connection = Connection(os.dup(connected.fileno()))
                try:
                    _ask(connection, question, ANSWER_SECONDS + patience)
                    _send_streams(connected)
                except (EOFError, OSError, ValueError):
                    connection.close()
                    raise
        except (EOFError, OSError, ValueError):
            lock.close()
            return None
        return Taken(one, connection, lock)


def leave_behind(pid: int) -> None:
    """Note a worker that stays after a part of this command: it is free in a moment, and the next
    part waits for that.
    """
    _left.add(pid)


def have_leave(
    residence: Residence, residents: Sequence[Resident], patience: float = 0.0
) -> list[Resident]:
    """Have workers leave, and wait until those are gone that work for no command.

    Args:
        patience: seconds to wait for those that work for one: it may be ending.

    Returns:
        those that work for one, and leave after it.
    """
    for one in residents:
        with contextlib.suppress(OSError), residence.connect(one.pid) as connected:
            connection = Connection(os.dup(connected.fileno()))
            with connection:
                connection.send_bytes(json.dumps(LEAVE).encode())
    begun = time.monotonic()
    while there := [one for one in residents if residence.is_alive(one.pid)]:
        busy = [one for one in there if residence.is_busy(one.pid)]
        if time.monotonic() - begun > (patience if busy == there else LEAVE_SECONDS):
            return busy
        time.sleep(0.01)
    return []


def _ask(connection: Connection, question: dict[str, str], seconds: float) -> None:
    """Raises OSError where the worker refuses, or does not answer in time."""
    connection.send_bytes(json.dumps(question).encode())
    if not connection.poll(seconds):
        raise TimeoutError("it does not answer")
    answer: Any = json.loads(connection.recv_bytes())
    if "yes" not in answer:
        raise ConnectionRefusedError(answer.get("no"))


def _send_streams(connected: socket.socket) -> None:
    """Hand over standard output and error: what user's code prints is seen as from any worker."""
    streams = [1, 2]
    socket.send_fds(connected, [b"s"], streams)


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - as text
    except OSError:
        return "/"
