"""Workers as jobs of a batch system, through submitit: one job is one worker.

A job connects back to this process and runs nodes one after the other, with its models loaded, so
one allocation serves many cells. A job that ends early (preempted, out of time, killed) is
submitted again.
"""

from __future__ import annotations

import itertools
import shlex
import socket
import sys
import threading
import time
from collections.abc import Collection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import submitit

from runner.config.cluster import Batch
from runner.engine.observer import Observer, Ran
from runner.errors import RunnerError
from runner.graph.node import Node, PipelineSpec
from runner.system.machine import python_path
from runner.workers.connected import ConnectedWorkers, Worker
from runner.workers.listener import JobListener
from runner.workers.messages import Run
from runner.workers.process import serve
from runner.workers.setup import WorkerSetup

SECONDS_BETWEEN_LOOKS = 2.0
SECONDS_TO_END = 15.0


class JobWorkers(ConnectedWorkers):
    """Workers in jobs, which connect back to the runner when they start.

    Args:
        folder: for submitit's files; every machine must see it at this path.
    """

    _patience = SECONDS_BETWEEN_LOOKS

    def __init__(
        self,
        batch: Batch,
        opening: WorkerSetup,
        specs: Collection[PipelineSpec],
        count: int,
        observer: Observer,
        folder: Path,
    ) -> None:
        super().__init__(opening, specs, observer)
        self._count = count
        self._local = batch.cluster == "local"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # it holds the connection's key
        self._executor = submitit.AutoExecutor(
            folder=folder, cluster=batch.cluster, local_python=_python(), slurm_python=_python()
        )
        try:
            self._executor.update_parameters(**_parameters(batch))
        except (NameError, TypeError, ValueError) as error:
            raise RunnerError(f"submitit does not take the launcher's settings: {error}") from error
        self._jobs: list[Any] = []
        self._arrived: list[Connection] = []
        self._numbers = itertools.count()
        self._arrival = threading.Condition()
        host = batch.host or (None if self._local else socket.getfqdn())
        self._listener = JobListener(host, self._arrive)
        self._add(count)

    def has_idle(self) -> bool:
        self._welcome()
        busy = any(worker.runs for worker in self._workers) or self._again
        # `submit` waits where no job has connected yet.
        return bool(self._idle) or not busy

    def wait(self) -> tuple[Node, Ran | RunnerError | None] | None:
        self._welcome()
        self._check_jobs()
        return super().wait()

    def close(self) -> None:
        self._listener.close()
        with self._arrival:
            arrived, self._arrived = self._arrived, []
        for connection in (*arrived, *(worker.connection for worker in self._workers)):
            connection.close()
        if not self._local:
            for job in self._jobs:
                if not job.done():
                    job.cancel()  # one that waits in a queue would begin in vain
            return
        # Jobs here end by themselves, also those that have yet to connect. Cancelled ones would
        # print tracebacks.
        deadline = time.monotonic() + SECONDS_TO_END
        while time.monotonic() < deadline and not all(job.done() for job in self._jobs):
            time.sleep(0.1)

    def _add(self, count: int) -> None:
        with self._executor.batch():
            listener = self._listener
            self._jobs += [
                self._executor.submit(serve, listener.address, listener.key) for _ in range(count)
            ]

    @property
    def _expected(self) -> int:
        return max(self._count, len(self._workers))

    def _give(self, run: Run) -> None:
        while self._taker(run.node) is None:
            with self._arrival:
                self._arrival.wait_for(lambda: self._arrived, SECONDS_BETWEEN_LOOKS)
            self._welcome()
            self._check_jobs()
        super()._give(run)

    def _arrive(self, connection: Connection) -> None:
        with self._arrival:
            self._arrived.append(connection)
            self._arrival.notify()

    def _welcome(self) -> None:
        """Add the jobs that have connected meanwhile."""
        with self._arrival:
            arrived, self._arrived = self._arrived, []
        for connection in arrived:
            worker = Worker(connection, next(self._numbers))
            self._send(worker, self._start)
            self._workers.append(worker)
        self._give_again()

    def _check_jobs(self) -> None:
        """Raises RunnerError where all jobs have ended, so that none will connect any more."""
        if not self._workers and all(job.done() for job in self._jobs):
            last = self._jobs[-1]
            raise RunnerError(f"the jobs end before they can begin\n{last.stderr() or ''}".rstrip())


def _python() -> str:
    """A job's Python command; -P, so that no file of the user is imported as the runner."""
    paths = f"PYTHONPATH={python_path(users_modules=True)}"
    return shlex.join(["env", paths, sys.executable, "-P"])


def _parameters(batch: Batch) -> dict[str, Any]:
    asked = {
        "name": "kandinsky",
        "timeout_min": batch.timeout_min,
        "cpus_per_task": batch.cpus_per_task,
        "gpus_per_node": batch.gpus_per_node,
        "mem_gb": batch.mem_gb,
        "slurm_partition": batch.partition,
        **batch.parameters,
    }
    return {name: value for name, value in asked.items() if value is not None}
