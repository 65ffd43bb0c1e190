"""Pictures by URL: fetched only where allowed, once, and never by `kandinsky plan`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runner.config.run_config import InterpolateItem, RunConfig
from runner.config.sections import InputsConfig
from runner.errors import ConfigError
from runner.planning import pictures as fetching
from runner.planning.pictures import localize_pictures
from unit.conftest import Command, Compose, assert_refused

CLOSED = "http://127.0.0.1:9/a.png"
ALLOW = "inputs.allow_urls=true"


class Server:
    """A web server on this machine that holds a.png; knows what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.agents: set[str] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.agents.add(self.headers["User-Agent"])
                file = folder / self.path.removeprefix("/").partition("?")[0]
                self.send_response(200 if file.is_file() else 404)
                self.end_headers()
                if file.is_file():
                    self.wfile.write(file.read_bytes())

            def log_message(self, *args: object) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server(tmp_path: Path, pictures: Callable[[Path], None]) -> Iterator[Server]:
    folder = tmp_path / "served"
    folder.mkdir()
    pictures(folder)
    server = Server(folder)
    yield server
    server.stop()


@pytest.fixture
def run(composed: Compose) -> RunConfig:
    return composed()


def with_image(run: RunConfig, image: str, allowed: bool = True) -> RunConfig:
    return replace(run, inputs=InputsConfig(image=image, allow_urls=allowed))


@pytest.mark.parametrize("key", ["image", "mask", "hint"])
def test_each_input_may_be_an_address(
    run: RunConfig, server: Server, tmp_path: Path, key: str
) -> None:
    inputs = InputsConfig(allow_urls=True)
    setattr(inputs, key, f"{server.address}/a.png")
    found = localize_pictures(replace(run, inputs=inputs), tmp_path / "kept", download=True)
    file = Path(getattr(found.inputs, key))
    assert file.parent == tmp_path / "kept"
    assert file.read_bytes() == (tmp_path / "served" / "a.png").read_bytes()
    assert list(file.parent.iterdir()) == [file]
    assert server.agents == {"kandinsky-runner"}


def test_items_may_be_addresses(run: RunConfig, server: Server, tmp_path: Path) -> None:
    items = (
        InterpolateItem("a text", None, 0.5),
        InterpolateItem(None, f"{server.address}/a.png", 0.25),
        InterpolateItem(None, "b.png", 0.25),
    )
    inputs = InputsConfig(allow_urls=True)
    asked = replace(run, interpolate=items, inputs=inputs)
    found = localize_pictures(asked, tmp_path / "kept", download=True)
    assert found.interpolate[0] == items[0]
    assert found.interpolate[2] == items[2]
    assert Path(str(found.interpolate[1].image)).is_file()
    with pytest.raises(ConfigError, match=r"interpolate\.items\[1\]\.image=http"):
        localize_pictures(replace(asked, inputs=InputsConfig()), tmp_path / "none", download=True)


def test_an_address_is_fetched_once(run: RunConfig, server: Server, tmp_path: Path) -> None:
    a, b = (with_image(run, f"{server.address}/{name}.png") for name in "ab")
    first = localize_pictures(a, tmp_path / "kept", download=True)
    assert localize_pictures(a, tmp_path / "kept", download=True) == first
    # What is there already is there for a plan, too.
    assert localize_pictures(a, tmp_path / "kept", download=False) == first
    assert server.asked == ["/a.png"]
    other = localize_pictures(b, tmp_path / "kept", download=True)
    assert other.inputs.image != first.inputs.image
    assert server.asked == ["/a.png", "/b.png"]


def test_paths_are_left_alone(run: RunConfig, tmp_path: Path) -> None:
    asked = with_image(run, "httpd/a.png")
    assert localize_pictures(asked, tmp_path / "kept", download=True) == asked
    assert not (tmp_path / "kept").exists()


def test_addresses_must_be_allowed(run: RunConfig, server: Server, tmp_path: Path) -> None:
    asked = with_image(run, f"{server.address}/a.png", allowed=False)
    with pytest.raises(ConfigError) as caught:
        localize_pictures(asked, tmp_path / "kept", download=True)
    assert caught.value.exit_status == 2
    assert str(caught.value) == (
        f"inputs.image={server.address}/a.png: is an address, and inputs.allow_urls is false"
        "\n  allowed: a path; or inputs.allow_urls=true"
    )
    assert server.asked == []


def test_what_was_fetched_once_must_still_be_allowed(
    run: RunConfig, server: Server, tmp_path: Path
) -> None:
    address = f"{server.address}/a.png"
    localize_pictures(with_image(run, address), tmp_path / "kept", download=True)
    with pytest.raises(ConfigError, match=r"allow_urls is false"):
        localize_pictures(with_image(run, address, allowed=False), tmp_path, download=True)


def test_an_error_of_the_server_is_told(run: RunConfig, server: Server, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        localize_pictures(
            with_image(run, f"{server.address}/none.png"), tmp_path / "kept", download=True
        )
    assert str(caught.value).startswith(
        f"inputs.image={server.address}/none.png: cannot be fetched"
    )
    assert "Not Found" in str(caught.value)
    assert not list((tmp_path / "kept").glob("*"))


@pytest.mark.parametrize("address", [CLOSED, "http://", "http://[/a.png", "http://a b/c.png"])
def test_what_cannot_be_reached_is_told(run: RunConfig, tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match=r"inputs\.image=http.*: cannot be fetched: ."):
        localize_pictures(with_image(run, address), tmp_path / "kept", download=True)


def test_passwords_are_not_shown(run: RunConfig, tmp_path: Path) -> None:
    for closed in (CLOSED, CLOSED.replace(":9", "")):
        address = closed.replace("://", "://user:pa55word@")
        for allowed in (True, False):
            with pytest.raises(ConfigError) as caught:
                localize_pictures(with_image(run, address, allowed), tmp_path, download=allowed)
            assert "pa55word" not in str(caught.value)


def test_too_much_is_refused_and_not_kept(
    run: RunConfig, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "served" / "large.png").write_bytes(bytes((1 << 20) + 1))
    monkeypatch.setattr(fetching, "MOST_BYTES", 1 << 20)
    asked = with_image(run, f"{server.address}/large.png")
    with pytest.raises(ConfigError, match=r"large\.png: has more than 1.0 MB"):
        localize_pictures(asked, tmp_path / "kept", download=True)
    assert not list((tmp_path / "kept").glob("*"))
    (tmp_path / "served" / "large.png").write_bytes(bytes(1 << 20))
    assert localize_pictures(asked, tmp_path / "kept", download=True) != asked


def test_plan_does_not_fetch(command: Command, server: Server, tmp_path: Path) -> None:
    address = f"inputs.image={server.address}/a.png"
    said = command("plan", "task=img2img", address, ALLOW)
    assert_refused(said, f"{address}: is not fetched yet", "a run, which fetches it; or a path")
    assert_refused(command("plan", "task=img2img", address), "inputs.allow_urls=true")
    assert server.asked == []
    assert list((tmp_path / "working").iterdir()) == []


def test_plan_shows_what_a_run_has_fetched(
    composed: Compose, command: Command, server: Server, tmp_path: Path
) -> None:
    run = composed(f"output_dir={tmp_path / 'working' / 'outputs'}")
    kept = run.output_dir / ".cache" / "pictures"
    localize_pictures(with_image(run, f"{server.address}/a.png"), kept, download=True)
    said = command("plan", "task=img2img", f"inputs.image={server.address}/a.png", ALLOW)
    assert said.status == 0, said.err
    assert "1 read_image" in said.out
