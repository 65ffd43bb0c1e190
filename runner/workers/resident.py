"""A worker that stays after its command, and works for one command after another.

It answers on a Unix socket (see `residence`). What comes first over a connection is a text, which
any version of this program can read; only from a command of the same code are objects read.

It leaves when its time is up, when the machine's memory gets short, when it is outdated or told to,
and on SIGTERM. A command that ends in the midst of a stage is noticed at the stage's next step: the
stage ends, and as nobody knows in which state it has left the models, they are unloaded.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NoReturn

from runner.system.freed_memory import give_back_freed_memory
from runner.system.machine import available_memory
from runner.workers.loop import NodeServer
from runner.workers.messages import About, Failed, Start, Stay, TakeOver
from runner.workers.residence import Residence, Resident, is_own
from runner.workers.residence_folder import open_residence
from runner.workers.setup import WorkerSetup, import_pipelines, open_kept
from runner.workers.surroundings import UsersModules, enter, leave_streams
from runner.workers.torch_state import TorchState

if TYPE_CHECKING:
    from runner.pipelines.kept import KeptPipelines

LOOK_SECONDS = 5.0
"""How often it looks at the machine's memory while it waits."""
LOW = 0.05
"""Share of the machine's memory below which one that waits leaves."""
ASK_SECONDS = 5.0
LARGEST_QUESTION = 10_000


class Line(Connection):
    """A connection to a command.

    Attributes:
        unsure: whether a stage failed, or was given up: the models' state is not known.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self.unsure = False

    def send(self, message: Any) -> None:
        self.unsure |= isinstance(message, About) and isinstance(message.what, Failed)
        try:
            super().send(message)
        except OSError:
            self.unsure = True
            raise


def stay_on(connection: Connection, start: Start) -> NoReturn:
    """Work for the command that began this process, then for others; never returns.

    Raises:
        ConfigError: the folder in which it would be found is not the user's alone.
    """
    assert start.stay is not None
    # What happens to the command's terminal is nothing to it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with contextlib.suppress(PermissionError):  # it leads a group
        os.setsid()
    residence = open_residence(create=True, keep=start.stay.seconds)
    assert residence is not None
    worker = StayingWorker(residence, start.stay, start.opening)
    first = Line(os.dup(connection.fileno()))
    connection.close()
    worker.run(first)


class StayingWorker:
    """The process, as it is found in its folder."""

    def __init__(self, residence: Residence, stay: Stay, opening: WorkerSetup) -> None:
        self._residence = residence
        self._stay = stay
        self._opening = opening
        self._pid = os.getpid()
        self._since = time.time()
        self._commands = 0
        self._pipelines: KeptPipelines | None = None
        self._torch = TorchState()
        self._users = UsersModules()
        self._listener, self._alive, self._busy = residence.register(self._pid)
        signal.signal(signal.SIGTERM, lambda *_: self._leave())

    def run(self, first: Line) -> NoReturn:
        """Work for the command that `first` leads to, then for who connects."""
        self._work(first, self._opening)
        while True:
            self._wait()

    def _work(self, line: Line, opening: WorkerSetup) -> None:
        self._commands += 1
        began = time.time()
        self._describe(None)
        device = self._opening.profile.device
        opening = replace(opening, profile=replace(opening.profile, device=device))
        with line:
            NodeServer(opening, self._opened).serve(line)
        self._busy.close()  # that of the first command; later ones have their own
        self._ends = time.monotonic() + self._stay.seconds
        until = time.time() + self._stay.seconds
        self._describe(until)  # at once: who looks right after the command sees that it is free
        leave_streams()
        if line.unsure and self._pipelines is not None:
            self._pipelines.unload()
        self._users.look(began)
        gc.collect()
        give_back_freed_memory()
        self._describe(until)

    def _opened(self, opening: WorkerSetup) -> KeptPipelines:
        self._torch.restore()
        self._pipelines = open_kept(opening, self._pipelines)
        return self._pipelines

    def _wait(self) -> None:
        """For a command, as long as there is time and memory."""
        left = self._ends - time.monotonic()
        ready, _, _ = select.select([self._listener], [], [], max(0.0, min(left, LOOK_SECONDS)))
        if ready:
            with contextlib.suppress(OSError):
                one, _ = self._listener.accept()
                with one:
                    self._answer(one)
        elif left <= 0 or is_short_of_memory() or not self._residence.has(self._pid):
            self._leave()

    def _answer(self, one: socket.socket) -> None:
        if not is_own(one):
            return
        line = Line(os.dup(one.fileno()))
        streams: list[int] = []
        try:
            if not line.poll(ASK_SECONDS):
                return
            asked = json.loads(line.recv_bytes(LARGEST_QUESTION))
            if problem := self._problem(asked):
                with contextlib.suppress(OSError):  # it may not wait for an answer
                    line.send_bytes(json.dumps({"no": problem}).encode())
                self._leave()
            line.send_bytes(b'{"yes": true}')
            streams = _received(one)
            message = line.recv()
            assert isinstance(message, TakeOver)
        except (EOFError, OSError, ValueError):
            line.close()
            for stream in streams:  # whoever reads them waits for their end
                os.close(stream)
            return  # it has gone, or was no command
        enter(message.environment, message.folder, streams)
        import_pipelines(message.classes)
        if message.seconds is not None:
            self._stay = replace(self._stay, seconds=message.seconds)
        self._work(line, message.opening)

    def _problem(self, asked: Mapping[str, Any]) -> str | None:
        """Why it leaves in place of working; None: it works."""
        if asked.get("ask") != "work":
            return "asked to leave"
        if (asked.get("code"), asked.get("setting")) != (self._stay.code, self._stay.setting):
            return "outdated"
        if self._users.have_changed(str(asked.get("path"))):
            return "modules of the user's, which it has imported, have changed"
        return None

    def _describe(self, until: float | None) -> None:
        loaded = self._pipelines.names if self._pipelines is not None else ()
        profile = self._opening.profile
        described = Resident(
            self._pid, profile.device, profile.threads, self._stay.code, self._stay.setting,
            self._since, until, held_bytes(profile.device), loaded, self._commands,
        )  # fmt: skip
        with contextlib.suppress(OSError):  # the folder is gone: `_wait` sees that
            self._residence.describe(described)

    def _leave(self) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # else it would wait for its own lock
        try:
            with contextlib.suppress(OSError):
                self._residence.remove(self._pid)
        finally:
            os._exit(0)  # at once: freeing torch takes more than a second


def is_short_of_memory() -> bool:
    """Whether the machine has so little memory left that one that waits leaves."""
    memory = available_memory()
    return memory is not None and memory[0] < LOW * memory[1]


def held_bytes(device: str) -> int | None:
    """Bytes of memory that this process holds: of the accelerator, else of the machine, where what
    it shares with others counts in part.
    """
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.memory_reserved(device))
    try:
        with open("/proc/self/smaps_rollup", encoding="ascii") as table:
            sizes = [line.split()[1] for line in table if line.startswith("Pss:")]
            return int(sizes[0]) * 1024
    except (OSError, ValueError, IndexError):
        return None


def _received(one: socket.socket) -> list[int]:
    """Standard output and error of the command."""
    _, descriptors, _, _ = socket.recv_fds(one, 1, 2)
    return list(descriptors)
