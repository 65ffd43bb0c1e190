"""Serves pages on loopback, to this machine's own browser alone.

That browser also shows pages of strangers, which may send requests here. So nothing is answered
without the secret in the address, which nobody can guess; under another name than this machine's
own, which a stranger's name server may point here; or to another page's script.
"""

from __future__ import annotations

import json
import secrets
import socket
import socketserver
import sys
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from runner.errors import ConfigError, RunnerError, StorageError
from runner.system.untrusted import UntrustedError, parse_json

HOST = "127.0.0.1"
NAMES_OF_THIS_MACHINE = {HOST, "localhost", "::1"}
LONGEST_REQUEST = 10_000
"""Bytes of a body."""
IDLE_SECONDS = 60

HTML, SCRIPT, STYLE, JSON, PNG, WEBP = (
    "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8",
    "application/json", "image/png", "image/webp",
)  # fmt: skip
OWN_FILES_ALONE = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
        "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)  # fmt: skip
"""Content-Security-Policy of pages whose scripts and styles are files of their own."""


class BadRequestError(Exception):
    """What a page asks for is wrong; the message is for its user."""


@dataclass(frozen=True)
class Reply:
    """What is sent.

    Attributes:
        kind: its media type.
        lasting: whether it is the same for ever, so that the browser may keep it.
        policy: its Content-Security-Policy; None: that of the site.
    """

    content: bytes
    kind: str
    status: HTTPStatus = HTTPStatus.OK
    lasting: bool = False
    policy: str | None = None

    @classmethod
    def of(cls, content: object, status: HTTPStatus = HTTPStatus.OK) -> Reply:
        """Plain values, as JSON."""
        said = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        return cls(said.encode(), JSON, status)


class Site(Protocol):
    """What is served.

    Attributes:
        policy: the Content-Security-Policy of what names none of its own.
    """

    policy: str

    def get(self, name: str, query: str) -> Reply | None:
        """What is behind a name, "" for the page itself; None: there is nothing.

        Raises:
            RunnerError: it cannot be told now, and why.
        """

    def post(self, name: str, said: Any) -> Reply:
        """The answer to what a script of the page sends: parsed JSON, which anyone may have sent.

        Raises:
            BadRequestError, RunnerError: it is refused, and why.
            KeyError, TypeError: it is no such request.
        """


def usable_port(port: int) -> int:
    """The port, if a page can be served there now; one that is free, for 0.

    Raises:
        ConfigError: the port is taken, or may not be used.
    """
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((HOST, port))
            return int(one.getsockname()[1])
        except (OSError, OverflowError) as error:
            raise _unusable(port, error) from error


def _unusable(port: int, error: OSError | OverflowError) -> ConfigError:
    if isinstance(error, OverflowError):
        return ConfigError("port", port, "is no port", "0 to 65535; 0: any that is free")
    problem = f"cannot be used: {error.strerror}"
    return ConfigError("port", port, problem, "another one; 0: any that is free")


class LoopbackServer(ThreadingHTTPServer):
    """Serves a site on loopback alone.

    Args:
        port: 0: any that is free.

    Raises:
        ConfigError: the port is taken, or may not be used.
    """

    daemon_threads = True

    def __init__(self, site: Site, port: int = 0) -> None:
        self.site = site
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise _unusable(port, error) from error

    def server_bind(self) -> None:
        """Bind. The standard library's own would ask name servers for this machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that has gone: a tab was closed while pictures came."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """The page's address, with its secret."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"


class _Handler(BaseHTTPRequestHandler):
    server: LoopbackServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "kandinsky", ""
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        asked = self._asked()
        if asked is None:
            return
        try:
            reply = self.server.site.get(*asked)
        except RunnerError as error:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            return
        if reply is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
        else:
            self._send(reply)

    def do_POST(self) -> None:
        body = self._body()
        asked = None if body is None else self._asked(posted=True)
        if asked is None or body is None:
            return
        try:
            self._send(self.server.site.post(asked[0], parse_json(body)))
        except StorageError as error:
            self._refuse(HTTPStatus.INSUFFICIENT_STORAGE, str(error))
        except (BadRequestError, RunnerError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except (UntrustedError, KeyError, TypeError, AttributeError):
            self._refuse(HTTPStatus.BAD_REQUEST, "is no such request")

    def _body(self) -> bytes | None:
        """The body; None where it was refused. Read first, so that the connection can go on."""
        length = self.headers.get("Content-Length", "")
        known = length.isascii() and length.isdigit() and len(length) < 10
        if not known or int(length) > LONGEST_REQUEST:
            self.close_connection = True
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "is too long")
            return None
        return self.rfile.read(int(length))

    def _asked(self, *, posted: bool = False) -> tuple[str, str] | None:
        """What is asked for behind the secret, and its query; None where it was refused."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        own = f"http://{host}"
        if _name_of(own) not in NAMES_OF_THIS_MACHINE:
            self._refuse(HTTPStatus.FORBIDDEN, "is asked under a name that is not its own")
            return None
        # A link to the page may stand in another one, such as a notebook's terminal.
        opened = not posted and self.headers.get("Sec-Fetch-Dest") == "document"
        site = self.headers.get("Sec-Fetch-Site", "none")
        if (
            origin not in ((own,) if posted else (own, None))
            or not (opened or site in ("none", "same-origin"))
            or (posted and self.headers.get_content_type() != "application/json")
        ):
            self._refuse(HTTPStatus.FORBIDDEN, "is asked by another page")
            return None
        path, _, query = self.path.partition("?")
        token, slash, name = path.removeprefix("/").partition("/")
        given, secret = token.encode("utf-8", "replace"), self.server.token.encode()
        if not slash or not secrets.compare_digest(given, secret):
            problem = "is asked without the secret of the address that was printed"
            self._refuse(HTTPStatus.FORBIDDEN, problem)
            return None
        return unquote(name), query

    def _refuse(self, status: HTTPStatus, problem: str) -> None:
        self._send(Reply.of({"problem": problem}, status))

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        headers = {
            "Content-Type": reply.kind,
            "Content-Length": str(len(reply.content)),
            "Content-Security-Policy": reply.policy or self.server.site.policy,
            "Cache-Control": "private, max-age=86400, immutable" if reply.lasting else "no-store",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.content)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - as in the base class
        """Say nothing: the terminal is for what concerns the user."""


def _name_of(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
