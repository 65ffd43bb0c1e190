"""Starts `python -m runner` as a process that has imported the large libraries already.

The imports of torch and diffusers take four seconds of a core, and those of MLflow two: most of
what a short run and its writer take. So one process imports them, and is forked for each run and
for each writer that such a run starts. What is forked is a process like any other: it has a working
directory, an environment and an output of its own, it can be stopped and killed, and it starts its
workers itself. Commands and writers that import everything themselves are run in `contract`, in
`unit/test_cli.py`, in `tracking/test_users_files.py` and in `tracking/test_standing_by.py`.
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
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

LARGEST_REQUEST = 1_000_000
WRITER = [sys.executable, "-P", "-m", "runner.tracking.writer"]


class Process:
    """A process that was forked, with the methods of `subprocess.Popen` that are used of it.

    Attributes:
        returncode: its exit status, or minus the number of the signal that ended it; None until it
            was seen to have ended.
    """

    def __init__(self, line: socket.socket, request: dict[str, Any], streams: list[int]) -> None:
        """
        Args:
            streams: its standard input, output and error; they are closed here.
        """
        self._status, told = os.pipe()
        socket.send_fds(line, [json.dumps(request).encode()], [*streams, told])
        for descriptor in {*streams, told}:
            os.close(descriptor)
        self.pid = int(os.read(self._status, 100))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        return self._ended_within(0.0)

    def wait(self) -> int:
        """Wait until it has ended. Gives its exit status."""
        while (status := self._ended_within(3600.0)) is None:
            pass
        return status

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


class Forked(Process):
    """A run."""

    def __init__(self, arguments: Sequence[str], cwd: Path, environment: dict[str, str]) -> None:
        self._output, written = os.pipe()
        request = {
            "module": "runner", "arguments": list(arguments), "cwd": str(cwd),
            "environment": environment, "own_group": False,
        }  # fmt: skip
        nothing = os.open(os.devnull, os.O_RDONLY)
        super().__init__(_preloaded(), request, [nothing, written, written])

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


class Writer(Process):
    """What a run gets that starts a writer with `subprocess.Popen`."""

    def __init__(self, command: Sequence[str], **given: Any) -> None:
        assert given.pop("stdin") == subprocess.PIPE
        assert given.pop("bufsize") == 0
        read, written = os.pipe()
        output, errors = given.pop("stdout"), given.pop("stderr")
        assert output == errors
        output = (
            os.open(os.devnull, os.O_WRONLY) if output == subprocess.DEVNULL else os.dup(output)
        )
        self.stdin = os.fdopen(written, "wb", 0)
        request = {
            "module": command[len(WRITER) - 1], "arguments": command[len(WRITER) :],
            "cwd": str(Path.cwd()), "environment": given.pop("env"),
            "own_group": given.pop("process_group") == 0,
        }  # fmt: skip
        assert not given, given
        assert _line_of_run is not None
        super().__init__(_line_of_run, request, [read, output, output])


class Popen(subprocess.Popen[Any]):
    """`subprocess.Popen` of a run: as ever, but for its writers."""

    def __new__(cls, args: Any = (), *rest: Any, **given: Any) -> Any:
        if isinstance(args, list) and args[: len(WRITER)] == WRITER:
            return Writer(args, *rest, **given)
        return super().__new__(cls)


_line_of_run: socket.socket | None = None
"""In a run, to the process that it was forked from."""


def _readable(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], max(seconds, 0.0))[0])


@cache
def _preloaded() -> socket.socket:
    """The line to the process that is forked; it ends when this one does."""
    ours, its = _pair()
    subprocess.Popen(
        [sys.executable, __file__, str(its.fileno())],
        pass_fds=[its.fileno()],
        stdin=subprocess.DEVNULL,
    )
    its.close()
    return ours


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def serve(line: socket.socket) -> str:
    """Import the libraries, then fork a process for each request. Returns in that process alone:
    the module that it is to run.
    """
    from runner.system import garbage
    from runner.tracking.delivery import import_mlflow, prepare_environment
    from runner.workers.setup import import_libraries, import_pipelines

    import_libraries(own=True)
    import_pipelines(["KandinskyV22PriorPipeline", "KandinskyV22Pipeline"])
    prepare_environment()
    import_mlflow()
    garbage.set_aside()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait for the runs
    lines = [line]
    while True:
        for one in select.select(lines, [], [])[0]:
            request, descriptors, _, _ = socket.recv_fds(one, LARGEST_REQUEST, 4)
            if not request:
                if one is line:
                    os._exit(0)
                lines.remove(one)
                one.close()
                continue
            ours, its = _pair()
            if os.fork() == 0:
                for each in (*lines, ours):
                    each.close()
                return _become(json.loads(request), its, *descriptors)
            its.close()
            lines.append(ours)
            for descriptor in descriptors:
                os.close(descriptor)


def _become(request: Mapping[str, Any], line: socket.socket, *descriptors: int) -> str:
    """Fork once more, and return in that process as if Python had just started it. The other one
    tells its process id and, in the end, its status.
    """
    global _line_of_run
    *streams, told = descriptors
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if pid := os.fork():
        line.close()
        for stream in streams:
            os.close(stream)
        with contextlib.suppress(BrokenPipeError):  # who asked for it has ended
            os.write(told, f"{pid}\n".encode())
            _, status = os.waitpid(pid, 0)
            os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    os.close(told)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if request["own_group"]:
        os.setpgid(0, 0)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    sys.argv[1:] = request["arguments"]
    module = str(request["module"])
    if module == "runner":
        sys.path[0] = str(Path.cwd())
        _line_of_run = line
        subprocess.Popen = Popen  # type: ignore[misc]
    else:  # with -P
        del sys.path[0]
        line.close()
    return module


if __name__ == "__main__":
    runpy.run_module(
        serve(socket.socket(fileno=int(sys.argv[1]))), run_name="__main__", alter_sys=True
    )
