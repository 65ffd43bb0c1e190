"""What answers is no hub, or cannot be asked: one message in plain words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from unit.conftest import Command, assert_refused


class LoginPage(BaseHTTPRequestHandler):
    """Answers everything with a page, as a network does before one has logged in."""

    def do_GET(self) -> None:
        page = b"<html><title>Welcome to our network</title></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(autouse=True)
def _network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("KANDINSKY_HUB_PATIENCE", "0")
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with HTTPServer(("127.0.0.1", 0), LoginPage) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_a_login_page_of_a_network_is_no_hub(command: Command) -> None:
    planned = command("plan", "weights=hub")
    assert planned.status == 0
    assert "what answers at the hub's address is no hub" in planned.out
    said = command("weights=hub", "tracking=none")
    assert_refused(said, "kandinsky-2-2-prior", "is no hub", "weights=mini")
    assert "JSON" not in said.err + planned.out


def test_a_token_beyond_ascii_is_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "hf_sécret"
    monkeypatch.setenv("HF_TOKEN", token)
    said = command("plan", "weights=hub")
    assert_refused(said, "HF_TOKEN", "holds characters that no token has")
    assert token[:6] not in said.err
