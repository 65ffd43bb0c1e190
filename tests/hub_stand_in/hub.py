"""The stand-in itself: what a test sets up, and what it looks at afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR, socket

from hub_stand_in.faults import FOR_EVER, Ending, Fault
from hub_stand_in.repositories import Repository


@dataclass
class Request:
    """A request, and what was answered.

    Attributes:
        path: of the URL, decoded, with the query.
        sent: bytes of the body, so far.
        is_file: whether the body is that of a repository's file.
        token: that came with it; None: none did.
    """

    method: str
    path: str
    token: str | None
    range: str | None
    status: int = 0
    sent: int = 0
    is_file: bool = False


class Hub:
    """Repositories, served to the hub's client while within `running`.

    Large files are redirected to a second port, as the hub does to another host: no token may
    go there.

    Attributes:
        repositories: by `owner/name`.
        token: the one that opens gated repositories.
        bytes_per_second: of each body; None: as fast as it goes.
        requests: all so far, in the order of their arrival.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.token = "hf_opens_gates"
        self.bytes_per_second: int | None = None
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.gone = threading.Event()
        self._lock = threading.Lock()
        self._ports = {"hub": 0, "files": 0}
        self._servers: dict[str, Server] = {}

    @property
    def url(self) -> str:
        """For HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._ports['hub']}"

    @property
    def files_url(self) -> str:
        """Where large files are."""
        return f"http://127.0.0.1:{self._ports['files']}"

    def add(self, name: str, folder: Path) -> Repository:
        """Serve the files of `folder` as the main branch of the repository `owner/name`."""
        self.repositories[name] = Repository(name, folder)
        return self.repositories[name]

    def answer(
        self,
        where: str,
        *,
        status: int,
        times: int = FOR_EVER,
        method: str | None = None,
        **headers: str | int,
    ) -> None:
        """Answer requests with a status of its own: `retry_after=1` is the header Retry-After.

        `where` is a part of a URL's path. One download of a file makes several requests: HEAD and
        GET, and where it is redirected.
        """
        named = {name.replace("_", "-").title(): str(value) for name, value in headers.items()}
        self.faults.append(Fault(where, times, method, status, named))

    def cut(self, where: str = "", *, after: int, times: int = 1, how: Ending = "close") -> None:
        """End a file's body after some of its bytes; `times` counts bodies that long.

        `close` ends the connection, which the client resumes; `reset` breaks it; `stall` sends
        nothing more, and leaves it open until the hub stops.
        """
        self.faults.append(Fault(where, times, "GET", after=after, how=how))

    def damage(self, where: str, *, times: int = FOR_EVER) -> None:
        """Send a wrong last byte under the right ETag."""
        self.faults.append(Fault(where, times, "GET", damaged=True))

    def sent(self, where: str = "") -> int:
        """Bytes sent of files with `where` in their URLs."""
        return sum(asked.sent for asked in self.requests if asked.is_file and where in asked.path)

    @contextmanager
    def running(self) -> Iterator[Hub]:
        """Serve meanwhile."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def start(self) -> None:
        """Serve, where it was served before."""
        from hub_stand_in.answering import Answering

        self.gone.clear()
        for name, port in self._ports.items():
            server = Server(("127.0.0.1", port), Answering)
            server.hub = self
            server.name = name
            self._ports[name] = server.server_address[1]
            self._servers[name] = server
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Go away: open connections break, new ones are refused."""
        self.gone.set()
        for server in self._servers.values():
            server.shutdown()
            server.server_close()
            server.drop()
        self._servers.clear()

    def record(self, request: Request) -> None:
        """Note a request."""
        with self._lock:
            self.requests.append(request)

    def fault(self, method: str, path: str, length: int | None = None) -> Fault | None:
        """What goes wrong with a request, counted down.

        Args:
            length: of the file's body that is about to be sent; None: nothing is known yet.
        """
        with self._lock:
            for fault in self.faults:
                late = fault.status is None
                short = fault.after is not None and (length or 0) <= fault.after
                if late == (length is not None) and not short and fault.hits(method, path):
                    fault.times -= 1
                    return fault
        return None


class Server(ThreadingHTTPServer):
    """One of the two ports. `name`: hub or files."""

    hub: Hub
    name: str
    daemon_threads = True
    block_on_close = False

    def __init__(self, *given: object) -> None:
        self._open: set[socket] = set()
        super().__init__(*given)  # type: ignore[arg-type]

    def process_request(self, request: socket, client_address: object) -> None:  # type: ignore[override]
        """Keep the connection in mind."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket) -> None:  # type: ignore[override]
        """Forget it."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error."""

    def drop(self) -> None:
        """End all connections."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)
