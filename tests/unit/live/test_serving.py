"""What `kandinsky view` answers, and to whom."""

from __future__ import annotations

import http.client
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from helpers.made_sweeps import Made, write_sweep
from runner.analysis.live.feed import Feed
from runner.analysis.live.site import ViewSite
from runner.images.png import read_png
from runner.recording.manifest import Manifest
from runner.system.loopback import HOST, LoopbackServer

Answer = tuple[int, dict[str, str], bytes]
Ask = Callable[..., Answer]


@pytest.fixture
def swept(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "a sweep", Made(inputs=("image",)))


@pytest.fixture
def server(swept: Path) -> Iterator[LoopbackServer]:
    made = LoopbackServer(ViewSite(Feed(swept)))
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def ask(server: LoopbackServer) -> Ask:
    """Asks for a name behind the secret."""

    def asked(name: str = "", token: str = server.token, **headers: str) -> Answer:
        connection = http.client.HTTPConnection(HOST, server.server_port, timeout=10)
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        connection.request("GET", f"/{token}/{name}", headers=given)
        answer = connection.getresponse()
        got = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return got

    return asked


def facts(ask: Ask) -> dict[str, Any]:
    status, _, body = ask("facts.json")
    assert status == 200
    found: dict[str, Any] = json.loads(body)
    return found


def test_every_picture_of_the_page_is_served(ask: Ask, swept: Path) -> None:
    found = facts(ask)
    assert len(found["pictures"]) == len(found["images"]) + len(found["inputs"])
    for (thumb, full), image in zip(found["pictures"], found["images"], strict=False):
        status, headers, body = ask(full)
        assert (status, headers["Content-Type"]) == (200, "image/png")
        assert (
            body == (swept / found["cells"][image["cell"]]["folder"] / image["file"]).read_bytes()
        )
        assert "immutable" in headers["Cache-Control"]
        with Image.open(io.BytesIO(ask(thumb)[2])) as small:
            assert (small.format, small.size) == ("WEBP", read_png(next(swept.rglob("*.png"))).size)
    for thumb, full in found["pictures"][len(found["images"]) :]:
        assert (ask(thumb)[0], ask(full)[0]) == (200, 200)


def test_there_is_news_only_after_something_happened(ask: Ask, swept: Path) -> None:
    before = facts(ask)
    version = before["live"]["version"]
    assert ask(f"facts.json?after={version}")[0] == 204
    cell = swept / before["cells"][0]["folder"]
    manifest = Manifest.read(cell)
    replace(manifest, images=manifest.images[:-1]).write(cell)
    status, _, body = ask(f"facts.json?after={version}")
    assert status == 200
    after = json.loads(body)
    assert len(after["images"]) == len(before["images"]) - 1
    assert after["live"]["version"] != version
    # A page that has not heard of it asks for all that it shows.
    assert {ask(name)[0] for pair in before["pictures"] for name in pair} == {200}


def test_a_folder_that_cannot_be_read_now_is_told_and_asked_again(ask: Ask, swept: Path) -> None:
    kept = (swept / "sweep.json").read_bytes()
    (swept / "sweep.json").write_text("{", encoding="utf-8")
    status, _, body = ask("facts.json")
    assert (status, "cannot be read" in json.loads(body)["problem"]) == (503, True)
    (swept / "sweep.json").write_bytes(kept)
    assert ask("facts.json")[0] == 200


@pytest.mark.parametrize(
    "name",
    ["images/../../etc/passwd", "images/sweep.json", "thumbs/..%2Fsweep.json", "manifest.json",
     "images/0000_cell/manifest.json", "static/elements.js", "images/", "vote"],
)  # fmt: skip
def test_nothing_else_is_served(ask: Ask, name: str) -> None:
    facts(ask)
    assert ask(name)[0] == 404


@pytest.mark.parametrize(
    ("token", "headers"),
    [
        ("", {}),
        ("guessed", {}),
        (None, {"Host": "kandinsky.example"}),
        (None, {"Host": "127.0.0.1.example:80"}),
        (None, {"Origin": "https://example.com"}),
        (None, {"Sec_Fetch_Site": "cross-site"}),
    ],
)
def test_strangers_get_no_answer(
    ask: Ask, server: LoopbackServer, token: str | None, headers: dict[str, str]
) -> None:
    status, _, body = ask("facts.json", server.token if token is None else token, **headers)
    assert status == 403
    assert b"images" not in body


def test_a_link_out_of_the_folder_is_not_followed(ask: Ask, swept: Path, tmp_path: Path) -> None:
    found = facts(ask)
    image = found["images"][0]
    file = swept / found["cells"][image["cell"]]["folder"] / image["file"]
    (tmp_path / "secret.png").write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(tmp_path / "secret.png")
    assert ask(found["pictures"][0][1])[0] == 404
