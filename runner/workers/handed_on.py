"""Workers that go on with the next execution profile of their command.

A sweep over offload modes or numbers of threads has several profiles, run one after the other. With
processes of its own for each, each would import torch anew, and read weights that others have read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from types import TracebackType

from runner.workers.connected import Worker
from runner.workers.host import Host


class HandedOn:
    """Those of a command that wait for its next profile; as a context: they end with it."""

    def __init__(self) -> None:
        self._workers: list[Worker] = []
        self._hosts: list[Host] = []
        self._device = ""

    def __enter__(self) -> HandedOn:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end(self._workers)
        for host in self._hosts:
            host.close()

    def take(self, count: int, device: str) -> list[Worker]:
        """Up to so many workers on a device. All others end: they hold memory for nobody."""
        taken = self._workers[:count] if device == self._device else []
        self._end(self._workers[len(taken) :])
        self._workers = []
        return taken

    def leave(self, workers: Sequence[Worker], hosts: Sequence[Host], device: str) -> None:
        """Leave workers for the next profile, and the processes that they were forked from."""
        self._workers += workers
        self._hosts += hosts
        self._device = device

    @staticmethod
    def _end(workers: Sequence[Worker]) -> None:
        for worker in workers:
            with contextlib.suppress(OSError):
                worker.connection.close()
