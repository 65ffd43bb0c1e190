"""A worker process: runs the nodes that it receives, until its pipe is closed.

`python -m runner.workers.process <lifeline> <pipe> [<pipe> ...]`, all of them file descriptors.
With several pipes one process imports torch and diffusers once and forks a worker for each. Only
for the CPU: these imports ask for CUDA devices, and processes forked after that cannot use CUDA.
The `Start` message comes over the first pipe, possibly later.

The runner's death closes the lifeline, and all of these processes end at once; but not workers
that stay (`Start.stay`), which `resident` has from then on.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Client, Connection

from runner.errors import RunnerError
from runner.system import garbage
from runner.system.terminal import keep_clean
from runner.workers.loop import NodeServer
from runner.workers.messages import Start
from runner.workers.next_profile import ProfileOpener
from runner.workers.setup import (
    WorkerSetup,
    import_libraries,
    import_pipelines,
    open_pipelines,
)


def main(arguments: list[str]) -> None:
    """Fork the workers and wait until the runner ends."""
    for stopping in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stopping, signal.SIG_IGN)  # the runner decides when the workers end
    keep_clean()
    lifeline, *pipes = map(int, arguments)
    connections = [Connection(pipe) for pipe in pipes]
    workers: list[int] = []
    stays = threading.Event()
    _end_with_runner(lifeline, workers, stays)
    import_libraries(own=True)
    try:
        start = connections[0].recv()
    except (EOFError, ConnectionResetError):
        os._exit(0)  # not needed, or the runner has ended
    assert isinstance(start, Start)
    import_pipelines(start.classes)
    garbage.set_aside()  # else garbage collection in a worker would copy the shared memory pages
    for connection in connections[start.workers :]:
        connection.close()
    del connections[start.workers :]
    if start.stay is not None:
        stays.set()
    # One that stays is no child of the runner's, where that is possible: nobody waits for its end.
    forks = start.stay is not None and start.opening.profile.device == "cpu"
    if len(connections) == 1 and not forks:
        _work(connections[0], replace(start, opening=_placed(start.opening, start.place)))
        return
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    # Python 3.12 and later warn of a fork beside a thread. Our thread only waits and has no lock.
    warnings.simplefilter("ignore", DeprecationWarning)
    for connection in connections:
        child = os.fork()
        if child == 0:
            for other in connections:
                if other is not connection:
                    other.close()
            if start.stay is None:
                _end_with_runner(lifeline, ())
            else:
                os.close(lifeline)
            _work(connection, start)
            os._exit(0)
        if start.stay is None:
            workers.append(child)
    if start.stay is not None:
        os._exit(0)  # it has nothing more to do: they end by themselves
    for connection in connections:
        connection.close()
    while True:
        signal.pause()


def _work(connection: Connection, start: Start) -> None:
    if start.stay is None:
        opened = ProfileOpener() if start.goes_on else open_pipelines
        NodeServer(start.opening, opened).serve(connection)
        return
    from runner.workers.resident import stay_on

    try:
        stay_on(connection, start)
    except RunnerError as error:  # the runner has tried it before: the folder was replaced
        print(f"error: {error}", file=sys.stderr)
        os._exit(1)


def serve(address: tuple[str, int], key: bytes) -> None:
    """Run as a worker of the runner that listens at `address`, on this or another machine."""
    keep_clean()
    with Client(address, authkey=key) as connection:
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        start = connection.recv()
        assert isinstance(start, Start)
        import_libraries(own=True)
        import_pipelines(start.classes)
        NodeServer(start.opening).serve(connection)


def _end_with(connection: Connection) -> None:
    """End this process once the other end has closed the connection, whatever it does: libraries
    that are being imported notice nothing, and nobody waits for a stage's result any more.
    """
    closed = select.poll()
    closed.register(connection.fileno(), getattr(select, "POLLRDHUP", select.POLLHUP))
    closed.poll()
    os._exit(0)


def _placed(opening: WorkerSetup, place: int) -> WorkerSetup:
    if opening.profile.device != "cuda":
        return opening
    import torch

    device = f"cuda:{place % max(1, torch.cuda.device_count())}"
    return replace(opening, profile=replace(opening.profile, device=device))


def _end_with_runner(
    lifeline: int, workers: Sequence[int], stays: threading.Event | None = None
) -> None:
    """End this process and its `workers`, a list that may grow, when the runner ends; but this
    process not, once `stays` is set.
    """

    def watch() -> None:
        with contextlib.suppress(OSError):
            os.read(lifeline, 1)
        if stays is not None and stays.is_set():
            return
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        os._exit(0)  # at once: freeing torch takes more than a second

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1:])
