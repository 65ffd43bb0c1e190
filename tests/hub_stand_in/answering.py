"""How the stand-in answers a request.

Source: what huggingface_hub asks for, in hf_api.py and file_download.py.
"""

from __future__ import annotations

import json
import re
import struct
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from socket import SO_LINGER, SOL_SOCKET
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from hub_stand_in.faults import Fault
from hub_stand_in.hub import Hub, Request, Server
from hub_stand_in.repositories import File, Repository, Revision

PIECE = 16 << 10
PIECES_PER_SECOND = 20
NAME = r"(?P<repo>[^/]+/[^/]+)"
API = re.compile(
    rf"/api/models/{NAME}"
    r"(?:/(?P<what>revision|tree|paths-info|refs|auth-check)(?:/(?P<revision>[^/]+)(?:/(?P<below>.+))?)?)?"
)
RESOLVE = re.compile(rf"/{NAME}/resolve/(?P<revision>[^/]+)/(?P<file>.+)")
CACHED = re.compile(rf"/api/resolve-cache/models/{NAME}/(?P<revision>[^/]+)/(?P<file>.+)")
LARGE = re.compile(rf"/repos/{NAME}/(?P<sha256>[0-9a-f]{{64}})/.+")


class Answering(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    server: Server
    protocol_version = "HTTP/1.1"
    # Headers and a small body leave in one packet.
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer with a body."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answer without one."""
        self._answer()

    def do_POST(self) -> None:
        """The hub's client sends questions about single paths like this."""
        self._answer()

    def log_message(self, *given: object) -> None:
        """Tests look at `Hub.requests` instead."""

    @property
    def _hub(self) -> Hub:
        return self.server.hub

    def _answer(self) -> None:
        url = urlsplit(self.path)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
        self._asked = Request(self.command, unquote(self.path), token, self.headers.get("Range"))
        self._hub.record(self._asked)
        self._posted = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self._hub.fault(self.command, unquote(url.path))
        if fault is not None:
            self._refuse(fault.status or 500, "", "Asked for by a test", fault.headers)
        elif self.server.name == "files":
            self._large(url)
        elif match := API.fullmatch(url.path):
            self._api(match, parse_qs(url.query))
        elif match := RESOLVE.fullmatch(url.path):
            self._resolve(match)
        elif match := CACHED.fullmatch(url.path):
            self._small(match)
        else:
            self._refuse(404, "", f"The stand-in knows no {url.path}")

    def _api(self, match: re.Match[str], query: Mapping[str, list[str]]) -> None:
        repository = self._repository(match)
        what = match["what"]
        if repository is None:
            return
        if what == "refs":
            self._json(repository.refs(pull_requests="include_prs" in query))
            return
        if what == "auth-check":
            if self._is_open(repository):
                self._json({})
            return
        revision = self._revision(repository, match["revision"] or "main")
        if revision is None:
            return
        below = unquote(match["below"] or "")
        if what == "tree":
            recursive = query.get("recursive", ["false"])[0].lower() in ("true", "1")
            tree = revision.tree(below, recursive=recursive)
            if tree:
                self._json(tree)
            else:
                self._refuse(404, "EntryNotFound", f"{below} does not exist")
        elif what == "paths-info":
            paths = json.loads(self._posted)["paths"]
            known = [(path, revision.files[path]) for path in paths if path in revision.files]
            self._json([file.leaf(path) for path, file in known])
        else:
            self._json(repository.described(revision, blobs="blobs" in query))

    def _resolve(self, match: re.Match[str]) -> None:
        """Where a file is: small ones on the hub itself, large ones elsewhere."""
        found = self._file(match)
        if found is None:
            return
        repository, revision, name, file = found
        headers = {
            "X-Repo-Commit": revision.commit,
            "X-Linked-Size": str(file.size),
            "X-Linked-ETag": f'"{file.etag}"',
        }
        if file.sha256:
            where = f"{self._hub.files_url}/repos/{repository.name}/{file.sha256}/{quote(name)}"
            self._head(302, headers | {"Location": where})
        else:
            kept = f"{repository.name}/{revision.commit}/{quote(name)}"
            where = f"/api/resolve-cache/models/{kept}?etag=%22{file.etag}%22"
            self._head(307, headers | {"Location": where})

    def _small(self, match: re.Match[str]) -> None:
        found = self._file(match)
        if found is not None:
            _, revision, _, file = found
            self._body(file, {"X-Repo-Commit": revision.commit})

    def _large(self, url: SplitResult) -> None:
        match = LARGE.fullmatch(url.path)
        repository = self._hub.repositories.get(match["repo"]) if match else None
        file = repository.with_sha256(match["sha256"]) if match and repository else None
        if file is None:
            self._refuse(404, "", "There is no such file")
        else:
            self._body(file, {})

    def _repository(self, match: re.Match[str]) -> Repository | None:
        repository = self._hub.repositories.get(match["repo"])
        if repository is None:
            # The hub tells a stranger nothing of what is private and what is not there.
            told = (404, "Repository not found") if self._asked.token else (401, "Invalid username")
            self._refuse(told[0], "RepoNotFound", told[1])
        return repository

    def _revision(self, repository: Repository, name: str) -> Revision | None:
        revision = repository.at(unquote(name))
        if revision is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {unquote(name)}")
        return revision

    def _file(self, match: re.Match[str]) -> tuple[Repository, Revision, str, File] | None:
        repository = self._repository(match)
        if repository is None or not self._is_open(repository):
            return None
        revision = self._revision(repository, match["revision"])
        if revision is None:
            return None
        name = unquote(match["file"])
        if name not in revision.files:
            commit = {"X-Repo-Commit": revision.commit}
            self._refuse(404, "EntryNotFound", "Entry not found", commit)
            return None
        return repository, revision, name, revision.files[name]

    def _is_open(self, repository: Repository) -> bool:
        if not repository.gated or self._asked.token == self._hub.token:
            return True
        status = 403 if self._asked.token else 401
        self._refuse(status, "GatedRepo", f"Access to model {repository.name} is restricted.")
        return False

    def _refuse(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        said = {"X-Error-Code": code} if code else {}
        said |= {"X-Error-Message": message, **(headers or {})}
        self._json({"error": message}, status, said)

    def _json(
        self, content: object, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        body = json.dumps(content).encode()
        kind = {"Content-Type": "application/json; charset=utf-8"}
        self._head(status, {**kind, **(headers or {})}, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)
            self._asked.sent = len(body)

    def _head(self, status: int, headers: Mapping[str, str], length: int = 0) -> None:
        self._asked.status = status
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self, file: File, headers: Mapping[str, str]) -> None:
        """A file's bytes, or those from where `Range` says."""
        start = int((self._asked.range or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        kept = {**headers, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        if start and start >= file.size:
            self._refuse(416, "", "Range", {"Content-Range": f"bytes */{file.size}"})
            return
        length = file.size - start
        if self._asked.range:
            kept["Content-Range"] = f"bytes {start}-{file.size - 1}/{file.size}"
        self._head(206 if self._asked.range else 200, kept, length)
        if self.command != "HEAD":
            self._asked.is_file = True
            fault = self._hub.fault("GET", self._asked.path, length)
            self._send(file.path.read_bytes()[start:], fault)

    def _send(self, body: bytes, fault: Fault | None) -> None:
        if fault is not None and fault.damaged:
            body = body[:-1] + bytes([body[-1] ^ 1])
        rate = self._hub.bytes_per_second
        size = max(1, rate // PIECES_PER_SECOND) if rate else PIECE
        end = len(body) if fault is None or fault.after is None else fault.after
        for start in range(0, end, size):
            piece = body[start : min(start + size, end)]
            self.wfile.write(piece)
            self.wfile.flush()
            self._asked.sent += len(piece)
            if rate and self._hub.gone.wait(len(piece) / rate):
                break
        if end < len(body) and fault is not None:
            self._end(fault)

    def _end(self, fault: Fault) -> None:
        self.close_connection = True
        if fault.how == "stall":
            self._hub.gone.wait()
        if fault.how == "reset":
            time.sleep(0.1)  # a reset throws away what the client has not read yet
            self.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
