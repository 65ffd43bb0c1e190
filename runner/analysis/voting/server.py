"""Serves the voting page on loopback.

A browser on this machine also shows pages of strangers, which may send requests here. So nothing
is answered without the secret in the address, which nobody can guess; under another name than this
machine's own, which a stranger's name server may point here; or to another page's script. What is
served is three files of the runner, the pictures that a voter was told of, and numbers.
"""

from __future__ import annotations

import json
import secrets
import socketserver
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runner.analysis.voting.ballots import BallotError, Ballots, voter_named
from runner.errors import ConfigError, StorageError
from runner.system.untrusted import UntrustedError, parse_json

HOST = "127.0.0.1"
NAMES_OF_THIS_MACHINE = {HOST, "localhost", "::1"}
LONGEST_REQUEST = 10_000
"""Bytes of a body."""

IDLE_SECONDS = 60
STATIC = Path(__file__).parent / "static"
FILES = {
    "": ("vote.html", "text/html; charset=utf-8"),
    "vote.js": ("vote.js", "text/javascript; charset=utf-8"),
    "vote.css": ("vote.css", "text/css; charset=utf-8"),
}
HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
            "connect-src 'self'", "base-uri 'none'", "form-action 'none'",
            "frame-ancestors 'none'", "require-trusted-types-for 'script'",
        )
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}  # fmt: skip


class VotingServer(ThreadingHTTPServer):
    """The server of one sweep's ballots, on loopback alone.

    Args:
        voter: whose page it is; None: the page asks, and proposes `proposed`.
        port: 0: any that is free.

    Raises:
        ConfigError: the port is taken, or may not be used.
    """

    daemon_threads = True

    def __init__(
        self, ballots: Ballots, voter: str | None = None, proposed: str = "", port: int = 0
    ) -> None:
        self.ballots = ballots
        self.about = {"question": ballots.question, "voter": voter, "proposed": proposed}
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise ConfigError("port", port, f"cannot be used: {said}", "0: any") from error

    def server_bind(self) -> None:
        """Bind. The standard library's own would ask name servers for this machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    @property
    def address(self) -> str:
        """The page's address, with its secret."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"


class _Handler(BaseHTTPRequestHandler):
    server: VotingServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "kandinsky", ""
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        name = self._name_asked()
        if name is None:
            return
        if name in FILES:
            file, kind = FILES[name]
            self._send(HTTPStatus.OK, (STATIC / file).read_bytes(), kind)
            return
        picture = self.server.ballots.picture(name.removeprefix("picture/"))
        if picture is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
        else:
            self._send(HTTPStatus.OK, picture, "image/png")

    def do_POST(self) -> None:
        body = self._body()
        name = self._name_asked(posted=True)
        if name is None or body is None:
            return
        try:
            self._send_json(HTTPStatus.OK, self._answered(name, parse_json(body)))
        except (BallotError, UntrustedError, KeyError, TypeError, AttributeError) as error:
            known = isinstance(error, BallotError)
            self._refuse(HTTPStatus.BAD_REQUEST, str(error) if known else "is no such request")
        except StorageError as error:
            self._refuse(HTTPStatus.INSUFFICIENT_STORAGE, str(error))

    def _answered(self, name: str, said: Any) -> dict[str, Any]:
        if name == "about":
            return self.server.about
        voter = voter_named(_text(said["voter"]))
        if name == "vote":
            self.server.ballots.vote(voter, _text(said["pair"]), _text(said["answer"]))
        elif name == "undo":
            self.server.ballots.undo(voter)
        elif name != "state":
            raise KeyError(name)
        return {"voter": voter, **self.server.ballots.state(voter)}

    def _body(self) -> bytes | None:
        """The body; None where it was refused. Read first, so that the connection can go on."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or int(length) > LONGEST_REQUEST:
            self.close_connection = True
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "is too long")
            return None
        return self.rfile.read(int(length))

    def _name_asked(self, *, posted: bool = False) -> str | None:
        """What is asked for, behind the secret; None where it was refused."""
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
        token, slash, name = self.path.removeprefix("/").partition("/")
        given, secret = token.encode("utf-8", "replace"), self.server.token.encode()
        if not slash or not secrets.compare_digest(given, secret):
            problem = "is asked without the secret of the address that was printed"
            self._refuse(HTTPStatus.FORBIDDEN, problem)
            return None
        return name

    def _refuse(self, status: HTTPStatus, problem: str) -> None:
        self._send_json(status, {"problem": problem})

    def _send_json(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        said = json.dumps(content, ensure_ascii=True, allow_nan=False)
        self._send(status, said.encode(), "application/json")

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(content)), **HEADERS}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - as in the base class
        """Say nothing: the terminal is for what concerns the user."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _name_of(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
