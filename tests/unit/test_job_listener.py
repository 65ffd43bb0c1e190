"""Jobs connect back to the runner over the network, where others may connect too."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from queue import Empty, Queue

import pytest

from runner.catalog.offload import NONE
from runner.config.choices import CacheMode
from runner.planning.profile import ExecutionProfile
from runner.workers import listener
from runner.workers.listener import EVERYWHERE, LOOPBACK, JobListener
from runner.workers.messages import Start
from runner.workers.setup import WorkerSetup


@pytest.fixture
def arrived() -> Queue[Connection]:
    return Queue()


@pytest.fixture
def listening(arrived: Queue[Connection]) -> Iterator[JobListener]:
    with closing(JobListener(None, arrived.put)) as one:
        yield one


def connect(to: JobListener) -> socket.socket:
    return socket.create_connection(to.address, timeout=10)


def check_a_job_comes_through(to: JobListener, arrived: Queue[Connection]) -> None:
    with Client(to.address, authkey=to.key) as job, arrived.get(timeout=10) as ours:
        ours.send("start")
        assert job.recv() == "start"


def silent(to: JobListener) -> socket.socket:
    return connect(to)


def reset(to: JobListener) -> socket.socket:
    stranger = connect(to)
    stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stranger.close()
    return stranger


def other_protocol(to: JobListener) -> socket.socket:
    stranger = connect(to)
    stranger.sendall(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n" + os.urandom(1000))
    return stranger


def half_a_message(to: JobListener) -> socket.socket:
    stranger = connect(to)
    stranger.sendall(struct.pack("!i", 20) + b"x")
    return stranger


def wrong_key(to: JobListener) -> socket.socket:
    with pytest.raises((AuthenticationError, EOFError, OSError)):
        Client(to.address, authkey=b"guessed")
    return connect(to)


@pytest.mark.parametrize("stranger", [silent, reset, other_protocol, half_a_message, wrong_key])
def test_a_stranger_keeps_no_job_out(
    stranger: Callable[[JobListener], socket.socket],
    listening: JobListener,
    arrived: Queue[Connection],
) -> None:
    with stranger(listening):
        check_a_job_comes_through(listening, arrived)
    with pytest.raises(Empty):
        arrived.get_nowait()


def test_many_silent_ones_are_sent_away_in_time(
    listening: JobListener, arrived: Queue[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HANDSHAKE_SECONDS", 0.1)
    strangers = [connect(listening) for _ in range(listener.AT_ONCE + 10)]
    check_a_job_comes_through(listening, arrived)
    for stranger in strangers:
        with stranger, stranger.makefile("rb") as said:
            said.read()  # its challenge, then the end


def test_it_listens_where_the_jobs_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def known_as(*addresses: str) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)

    def bound(host: str | None) -> str:
        with closing(JobListener(host, lambda _: None)) as one:
            return one.bound

    assert bound(None) == bound("localhost") == LOOPBACK
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            own = probe.getsockname()[0]
        except OSError:
            own = None
    if own is not None:
        known_as(own)
        assert bound("this-machine") == own
    known_as("127.0.1.1")
    assert bound("this-machine") == EVERYWHERE
    known_as("192.0.2.1")  # of a gateway, say
    assert bound("this-machine") == EVERYWHERE


IMPORTS = """
import sys, time
from runner.workers import process
process.import_libraries = lambda own: time.sleep(60)
process.serve(("127.0.0.1", int(sys.argv[1])), bytes.fromhex(sys.argv[2]))
"""


def test_a_job_that_imports_ends_with_the_connection(
    listening: JobListener, arrived: Queue[Connection]
) -> None:
    """Silently, though it has a node to run: cancelled, it would print a traceback."""
    with subprocess.Popen(
        [sys.executable, "-c", IMPORTS, str(listening.address[1]), listening.key.hex()],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as job:  # fmt: skip
        with arrived.get(timeout=60) as ours:
            profile = ExecutionProfile(CacheMode.off, "cpu", 1, None, NONE, None, 1)
            ours.send(Start(WorkerSetup((), profile, ()), ()))
            ours.send("a node")
            with pytest.raises(subprocess.TimeoutExpired):
                job.wait(0.5)
        assert job.communicate(timeout=30)[0] == b""
        assert job.returncode == 0
