"""Where jobs of a batch system connect to: accepts who knows the key, whatever others do.

Anybody on the network may connect, say nothing, say something else, or break the connection. So
each connection proves itself in a thread of its own and within a time limit, and only then is
handed on; until that, nothing that it sends is unpickled.
"""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge

LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"
"""Only where no address of this machine's own is known."""
HANDSHAKE_SECONDS = 20.0
"""How long a connection may take to prove that it knows the key."""
AT_ONCE = 64
"""Connections that prove themselves at the same time; further ones wait."""
BACKLOG = 128
SILENCE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 6))
"""A machine that was switched off says nothing: its connection ends after three minutes."""


class JobListener:
    """Listens for jobs until it is closed.

    Args:
        host: name of this machine by which the jobs reach it; None: they run on this machine.
        arrived: called with each connection that knows the key, from threads.

    Attributes:
        address: for `multiprocessing.connection.Client`.
        key: the key, for the jobs alone.
    """

    def __init__(self, host: str | None, arrived: Callable[[Connection], None]) -> None:
        self.key = secrets.token_bytes(32)
        self._arrived = arrived
        self._closed = threading.Event()
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._socket = _listen(host)
        self.address = (host or LOOPBACK, int(self._socket.getsockname()[1]))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def bound(self) -> str:
        """The address of this machine that it listens on."""
        return str(self._socket.getsockname()[0])

    def close(self) -> None:
        """End it; connections that were handed on stay open."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._socket.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                one, _ = self._socket.accept()
            except OSError:
                # The connection is gone already, or there are too many open files at the moment.
                time.sleep(0 if self._closed.is_set() else 0.05)
                continue
            self._room.acquire()
            threading.Thread(target=self._prove, args=[one], daemon=True).start()

    def _prove(self, one: socket.socket) -> None:
        try:
            connection = self._known(one)
        finally:
            self._room.release()
        if connection is None:
            return
        if self._closed.is_set():
            connection.close()
        else:
            self._arrived(connection)

    def _known(self, one: socket.socket) -> Connection | None:
        """The connection, if it proves in time that it knows the key."""
        late = threading.Event()

        def stop() -> None:
            late.set()
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # ends the reading below, also one that drips

        timer = threading.Timer(HANDSHAKE_SECONDS, stop)
        timer.daemon = True
        with one:
            _notice_silence(one)
            connection: Connection = Connection(one.dup().detach())
            timer.start()
            try:
                deliver_challenge(connection, self.key)
                answer_challenge(connection, self.key)
            except (AuthenticationError, EOFError, OSError, ValueError):
                late.set()  # a stranger
            finally:
                timer.cancel()
                timer.join()
        if late.is_set():
            connection.close()
            return None
        return connection


def _listen(host: str | None) -> socket.socket:
    """A listening socket, at the address that the jobs' machines know, if it is one of our own.

    A host name may also be known as loopback here (Debian's /etc/hosts), or belong to a gateway:
    then only listening everywhere is sure to be reached.
    """
    for address in _addresses(host):
        with contextlib.suppress(OSError):
            return socket.create_server((address, 0), backlog=BACKLOG)
    return socket.create_server((EVERYWHERE, 0), backlog=BACKLOG)


def _addresses(host: str | None) -> list[str]:
    if host is None or host == "localhost" or host.startswith("127."):
        return [LOOPBACK]
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return []
    known = [str(address[0]) for *_, address in found]
    return [one for one in known if not ipaddress.ip_address(one).is_loopback]


def _notice_silence(one: socket.socket) -> None:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in SILENCE:
        if hasattr(socket, name):
            one.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
