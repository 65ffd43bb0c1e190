"""Starts `python -m runner` as a process that has imported the large libraries already.

These imports take four seconds of a core, most of what a short run takes. So one process imports
them, and is forked for each run. What is forked is a process like any other: it has a working
directory, an environment and an output of its own, it can be stopped and killed, and it starts
its writer and its workers itself. Commands that import everything themselves are run in
`contract`, in `unit/test_cli.py` and in `tracking/test_users_files.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

LARGEST_REQUEST = 1_000_000


class Forked:
    """A run, with the methods of `subprocess.Popen` that tests use.

    Attributes:
        returncode: its exit status, or minus the number of the signal that ended it; None until it
            was seen to have ended.
    """

    def __init__(self, arguments: Sequence[str], cwd: Path, environment: dict[str, str]) -> None:
        self._status, told = os.pipe()
        self._output, written = os.pipe()
        request = {"arguments": list(arguments), "cwd": str(cwd), "environment": environment}
        socket.send_fds(_preloaded(), [json.dumps(request).encode()], [written, told])
        os.close(told)
        os.close(written)
        self.pid = int(os.read(self._status, 100))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        return self._ended_within(0.0)

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Wait until it has ended. Gives its standard output and error, in one."""
        said = b""
        deadline = time.monotonic() + (timeout or 3600.0)
        while self._output >= 0:
            if not _readable(self._output, deadline - time.monotonic()):
                raise TimeoutError(f"runs still; it said {said.decode()}")
            if not (more := os.read(self._output, 65536)):
                os.close(self._output)
                self._output = -1
            said += more
        if self._ended_within(deadline - time.monotonic()) is None:
            raise TimeoutError(f"runs still; it said {said.decode()}")
        return said.decode(), None

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """`kill -9`."""
        self.send_signal(signal.SIGKILL)

    def _ended_within(self, seconds: float) -> int | None:
        if self.returncode is None and _readable(self._status, seconds):
            self.returncode = int(os.read(self._status, 100))
            os.close(self._status)
        return self.returncode


def _readable(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], max(seconds, 0.0))[0])


@cache
def _preloaded() -> socket.socket:
    """The line to the process that is forked; it ends when this one does."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    subprocess.Popen(
        [sys.executable, __file__, str(its.fileno())],
        pass_fds=[its.fileno()],
        stdin=subprocess.DEVNULL,
    )
    its.close()
    return ours


def serve(line: socket.socket) -> None:
    """Import the libraries, then fork a run for each request. Returns in the run alone."""
    from runner.system import garbage
    from runner.workers.setup import import_libraries, import_pipelines

    import_libraries()
    import_pipelines(["KandinskyV22PriorPipeline", "KandinskyV22Pipeline"])
    garbage.set_aside()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait for the runs
    while True:
        request, descriptors, _, _ = socket.recv_fds(line, LARGEST_REQUEST, 2)
        if not request:
            os._exit(0)
        if os.fork() == 0:
            line.close()
            _become_run(json.loads(request), *descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _become_run(request: dict[str, Any], output: int, told: int) -> None:
    """Fork once more, and return in that process as if Python had just started it. The other one
    tells its process id and, in the end, its status.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if pid := os.fork():
        os.close(output)
        os.write(told, f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    os.close(told)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    sys.argv[1:] = request["arguments"]
    sys.path[0] = str(Path.cwd())


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("runner", run_name="__main__", alter_sys=True)
