"""The voting page's server: who is answered, what is served, and that it tells nothing."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from runner.analysis.reading import read_results
from runner.analysis.votes.pairs import make_schedule
from runner.analysis.votes.record import VOTES, read_votes
from runner.analysis.voting.ballots import Ballots
from runner.analysis.voting.site import VotingSite
from runner.images.png import image_of_png, png_bytes, read_png
from runner.system.loopback import LoopbackServer
from unit.conftest import Command, assert_refused
from unit.votes.conftest import SCHEDULERS


class Client:
    """Asks as the page's own script does, unless told otherwise."""

    def __init__(self, server: LoopbackServer) -> None:
        self.server = server
        self.host = f"127.0.0.1:{server.server_port}"

    def ask(
        self, what: str, said: object = None, **headers: str | None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """`what`: behind the secret; or a whole path that begins with a slash."""
        path = what if what.startswith("/") else f"/{self.server.token}/{what}"
        own: dict[str, str | None] = {"Host": self.host}
        if said is not None:
            own |= {"Origin": f"http://{self.host}", "Content-Type": "application/json"}
        given = {**own, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=10)
        body = None if said is None else json.dumps(said).encode()
        kept = {name: value for name, value in given.items() if value is not None}
        connection.request("GET" if body is None else "POST", path, body, kept)
        answer = connection.getresponse()
        return answer, answer.read()

    def post(self, what: str, **said: object) -> dict[str, Any]:
        answer, content = self.ask(what, said)
        assert answer.status == 200, content
        found: dict[str, Any] = json.loads(content)
        return found

    def pixels(self, named: str) -> bytes:
        return image_of_png(self.ask(f"picture/{named}")[1]).tobytes()


@contextmanager
def serving(folder: Path, limit: int | None = None) -> Iterator[Client]:
    results = read_results(folder)
    schedule = make_schedule(results, limit=limit)
    server = LoopbackServer(VotingSite(Ballots(results, "Which?", schedule)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Client(server)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def client(sweep: Path) -> Iterator[Client]:
    with serving(sweep) as found:
        yield found


def test_votes_are_kept_taken_back_and_gone_on_with(sweep: Path) -> None:
    with serving(sweep, limit=5) as client:
        state = client.post("state", voter=" ann ")
        assert (state["voter"], state["done"], state["total"]) == ("ann", 0, 5)
        for number, answer in enumerate(("left", "right", "tie")):
            (pair, following) = state["pairs"]
            shown = [client.pixels(pair[side]) for side in ("left", "right")]
            state = client.post("vote", voter="ann", pair=pair["pair"], answer=answer)
            assert state["pairs"][0]["pair"] == following["pair"]
            kept = read_votes(sweep).votes[number]
            assert kept.answer == answer
            assert (kept.prompt, kept.question) == (pair["prompt"], "Which?")
            named = [read_png(sweep / one.file).tobytes() for one in (kept.left, kept.right)]
            assert named == shown
        last = pair["pair"]
        assert client.post("undo", voter="ann")["pairs"][0]["pair"] == last
        # A page that was open twice votes on a pair that is done: nothing happens.
        first = client.post("vote", voter="ann", pair=last, answer="left")
        assert client.post("vote", voter="ann", pair=last, answer="right") == first
        assert client.post("state", voter="ben")["done"] == 0
    with serving(sweep, limit=5) as client:
        state = client.post("state", voter="ann")
        assert (state["done"], state["undo"], len(state["pairs"])) == (3, True, 2)
        for _ in range(2):
            pair = state["pairs"][0]["pair"]
            state = client.post("vote", voter="ann", pair=pair, answer="tie")
        assert (state["done"], state["pairs"]) == (5, [])
    assert [vote.answer.value for vote in read_votes(sweep).votes] == [
        "left", "right", "left", "tie", "tie",
    ]  # fmt: skip


def test_nothing_tells_which_is_which(client: Client, sweep: Path) -> None:
    for file in sweep.glob("*/*.png"):
        image = read_png(file)
        image.info["icc_profile"] = b"scheduler " + file.parent.name.encode()
        file.write_bytes(png_bytes(image, {"kandinsky": file.parent.name}))
    served = []
    seen: set[str] = set()
    state = client.post("state", voter="ann")
    for _ in range(4):
        pair = state["pairs"][0]
        served.append(json.dumps(state).encode())
        for side in ("left", "right"):
            assert pair[side] not in seen  # the same picture has another name the next time
            seen.add(pair[side])
            answer, content = client.ask(f"picture/{pair[side]}")
            chunks, place = [], 8
            while place < len(content):
                (length,) = struct.unpack(">I", content[place : place + 4])
                chunks.append(content[place + 4 : place + 8])
                place += 12 + length
            assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}
            assert not {"Last-Modified", "ETag"} & set(answer.headers)
            served.append(content)
        state = client.post("vote", voter="ann", pair=pair["pair"], answer="tie")
    for own in ("", "vote.js", "vote.css"):
        served.append(client.ask(own)[1])
    for word in (*SCHEDULERS, "scheduler", "_cell", "seed", "sha"):
        assert not [content for content in served if word.encode() in content]


OTHER = "http://evil.example"


@pytest.mark.parametrize(
    ("what", "said", "headers"),
    [
        ("/", None, {}),
        ("/state", {"voter": "ann"}, {}),
        ("/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/", None, {}),
        ("", None, {"Host": "evil.example"}),
        ("", None, {"Host": "evil.example:80@127.0.0.1.evil.example"}),
        ("", None, {"Host": "127.0.0.1]"}),
        ("", None, {"Origin": OTHER}),
        ("", None, {"Sec_Fetch_Site": "cross-site"}),
        ("state", {"voter": "ann"}, {"Origin": OTHER}),
        ("state", {"voter": "ann"}, {"Origin": "null"}),
        ("state", {"voter": "ann"}, {"Origin": None}),
        ("state", {"voter": "ann"}, {"Origin": "http://127.0.0.1:1"}),
        ("state", {"voter": "ann"}, {"Content_Type": "text/plain"}),
        ("state", {"voter": "ann"}, {"Sec_Fetch_Site": "same-site"}),
    ],
    ids=str,
)
def test_others_are_not_answered(
    client: Client, what: str, said: object, headers: dict[str, str | None]
) -> None:
    answer, content = client.ask(what, said, **headers)
    assert answer.status == 403
    assert set(json.loads(content)) == {"problem"}
    assert client.server.token.encode() not in content


def test_a_port_that_is_forwarded_may_be_another_one(client: Client) -> None:
    client.host = "localhost:8123"
    assert client.post("state", voter="ann")["total"] == 48


def test_a_link_to_it_may_stand_in_another_page(client: Client) -> None:
    said = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "document"}
    assert client.ask("", **said)[0].status == 200
    assert client.ask("state", {"voter": "ann"}, **said)[0].status == 403


@pytest.mark.parametrize(
    ("what", "said", "status"),
    [
        ("picture/../../manifest.json", None, 404),
        ("picture/", None, 404),
        ("../sweep.json", None, 404),
        ("%2e%2e/sweep.json", None, 404),
        ("state", [], 400),
        ("state", {}, 400),
        ("state", {"voter": 1}, 400),
        ("state", {"voter": "  "}, 400),
        ("state", {"voter": "x" * 61}, 400),
        ("votes", {"voter": "ann"}, 400),
        ("vote", {"voter": "ann", "pair": "é", "answer": "left"}, 400),
        ("vote", {"voter": "ann", "pair": "x", "answer": "both"}, 400),
        ("state", {"voter": "x" * 20_000}, 413),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_makes_no_sense_is_refused(
    client: Client, sweep: Path, what: str, said: object, status: int
) -> None:
    answer, content = client.ask(what, said)
    assert answer.status == status
    assert json.loads(content)["problem"]
    assert not (sweep / VOTES).exists()


def test_every_answer_keeps_the_page_to_itself(client: Client) -> None:
    for answer, _ in (client.ask(""), client.ask("state", {"voter": "ann"}), client.ask("x")):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Referrer-Policy"] == "no-referrer"  # the address has the secret
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Python" not in answer.headers["Server"]


def test_pictures_that_are_gone_or_changed_are_left_out_and_told(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, file in enumerate(sorted((sweep / "0000_cell").glob("*.png"))):
        if number % 2:
            file.unlink()
        else:
            file.write_bytes(png_bytes(Image.new("RGB", (8, 8))))
    with serving(sweep) as client:
        state = client.post("state", voter="ann")
        while state["pairs"]:
            pair = state["pairs"][0]["pair"]
            state = client.post("vote", voter="ann", pair=pair, answer="left")
        assert (state["done"], state["total"]) == (16, 16)
    assert "is gone, damaged, or not what was recorded" in capsys.readouterr().err


def test_a_vote_that_cannot_be_kept_is_told(client: Client, sweep: Path) -> None:
    (sweep / VOTES).mkdir()
    pair = client.post("state", voter="ann")["pairs"][0]["pair"]
    answer, content = client.ask("vote", {"voter": "ann", "pair": pair, "answer": "left"})
    assert answer.status == 507
    assert "cannot write" in json.loads(content)["problem"]
    assert client.post("state", voter="ann")["done"] == 0


def test_it_listens_on_loopback_alone(client: Client) -> None:
    assert client.server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--limit", "0"), "limit=0: is no number of pairs"),
        (("--voter", " "), "a name has 1 to 60 characters"),
        (("--question", ""), "cannot be asked"),
        (("--by", "sampler"), "by=sampler: is no axis of this sweep\n  allowed: scheduler"),
        (("--where", "scheduler=x"), "is in no cell of this sweep"),
        (("--port", "99999"), "port=99999: is no port"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_refused(
    sweep: Path, command: Command, given: tuple[str, ...], said: str
) -> None:
    assert_refused(command("vote", *given, str(sweep)), said)


def test_a_taken_port_is_refused(sweep: Path, command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_refused(command("vote", "--port", port, str(sweep)), f"port={port}: cannot be used")
