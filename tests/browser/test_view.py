"""`kandinsky view` in a browser: the page fills while the sweep runs, and the view stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import Events
from browser.looks import SHOWN, column, drawn, loaded, pick, texts, tiles
from helpers.made_sweeps import Made, write_sweep
from runner.analysis.live.feed import Feed
from runner.analysis.live.site import ViewSite
from runner.analysis.votes.findings import Agreement, Judged, Question
from runner.analysis.votes.record import read_votes
from runner.recording.manifest import MANIFEST, Manifest
from runner.recording.sweep_record import LOCK
from runner.system.locks import hold
from runner.system.loopback import LoopbackServer
from runner.tracking.status import Status

pytestmark = pytest.mark.slow


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """A sweep of which the last two cells have not begun, and one is at its first image."""
    folder = write_sweep(tmp_path / "sweep", Made(status=Status.RUNNING))
    (tmp_path / "later").mkdir()
    for number in (4, 5):
        (folder / f"{number:04d}_cell" / MANIFEST).rename(tmp_path / "later" / str(number))
    cell = folder / "0003_cell"
    manifest = Manifest.read(cell)
    manifest.write(tmp_path / "later")
    replace(manifest, images=manifest.images[:1], status=Status.RUNNING).write(cell)
    with hold(folder / LOCK):
        yield folder


def go_on(folder: Path) -> None:
    """The cell comes to its end, and the next one has run."""
    later = folder.parent / "later"
    Manifest.read(later).write(folder / "0003_cell")
    (later / "4").rename(folder / "0004_cell" / MANIFEST)


@pytest.fixture
def viewed(tab: Page, events: Events, running: Path) -> Iterator[Page]:
    """A tab with its page, served."""
    server = LoopbackServer(ViewSite(Feed(running)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    events.allowed = (server.address, "data:", "about:")
    tab.goto(server.address)
    drawn(tab)
    yield tab
    tab.goto("about:blank")  # it asks no more
    server.shutdown()
    thread.join()
    server.server_close()


def test_pictures_come_as_they_are_made(viewed: Page, running: Path) -> None:
    assert len(tiles(viewed)) == 13
    loaded(viewed, "#grid img")
    assert texts(viewed, "#live-said") == ["6 cells: 3 finished, 1 running, 2 left"]
    assert viewed.locator("#failed, #failures").evaluate_all("all => all.every(e => e.hidden)")
    go_on(running)
    expect(viewed.locator("#live-said")).to_have_text("6 cells: 5 finished, 1 left")
    assert len(tiles(viewed)) == 20
    loaded(viewed, "#grid img")
    assert column(viewed, 0) == [str(number) for number in range(6)]
    assert viewed.locator("#lines .mark").count() == 5


def test_a_sweep_that_has_made_nothing_yet_is_looked_at(viewed: Page, running: Path) -> None:
    manifests = {file: Manifest.read_file(file) for file in running.glob(f"*/{MANIFEST}")}
    for file, manifest in manifests.items():
        replace(manifest, images=[], metrics={}, status=Status.RUNNING).write(file.parent)
    viewed.reload()
    drawn(viewed)
    assert tiles(viewed) == []
    assert texts(viewed, "#live-said") == ["6 cells: 4 running, 2 left"]
    for file, manifest in manifests.items():
        manifest.write(file.parent)
    expect(viewed.locator("#grid .tile").first).to_be_visible()
    assert len(tiles(viewed)) == 13
    expect(viewed.locator("#lines .mark").first).to_be_visible()


def test_what_is_looked_at_stays(viewed: Page, running: Path) -> None:
    pick(viewed, "#grid-layout", "Rows", "scheduler")
    pick(viewed, "#grid-layout", "Columns", "seed")
    pick(viewed, "#grid-only", "prompt", "a red circle")
    viewed.fill("#filter", "ddpm")
    viewed.locator("#cells-table th button").nth(0).click()
    viewed.focus('#grid .tile[data-image="0"]')
    first = viewed.evaluate("window.kept = document.querySelector('#grid .tile img')")
    go_on(running)
    expect(viewed.locator("#live-said")).to_have_text("6 cells: 5 finished, 1 left")
    assert len(tiles(viewed)) == 10
    assert column(viewed, 0) == ["5", "4", "3"]
    assert viewed.locator("#grid .tile[data-image='0']").evaluate(
        "tile => tile === document.activeElement && tile.contains(window.kept)"
    ), first
    # Once more: what was looked at before the first news is not what is usual after it.
    (running.parent / "later" / "5").rename(running / "0005_cell" / MANIFEST)
    expect(viewed.locator("#live-said")).to_have_text("6 cells: 6 finished")
    viewed.wait_for_timeout(400)
    said = dict(parse_qsl(viewed.url.partition("#")[2]))
    assert said == {
        "rows": "scheduler", "columns": "seed", "only.prompt": "a red circle",
        "filter": "ddpm", "sort": "-cell",
    }  # fmt: skip


def test_what_is_unfolded_stays_so(viewed: Page, running: Path) -> None:
    choice = {"scheduler": "ddim"}
    agreement = Agreement(0, None, None, None, None, None)
    asked = Question("quality", 3, 0, 3, (), agreement, ("3 votes.", "Read so."))
    judged = Judged("made", "", ("scheduler",), choice, 0.95, (), (asked,))
    (running / "comparison").mkdir()
    (running / "comparison" / "votes.json").write_text(judged.as_json(), encoding="utf-8")
    viewed.reload()
    drawn(viewed)
    viewed.click("#votes summary")
    expect(viewed.get_by_text("Read so.")).to_be_visible()
    go_on(running)
    expect(viewed.locator("#live-said")).to_have_text("6 cells: 5 finished, 1 left")
    expect(viewed.get_by_text("Read so.")).to_be_visible()


def test_an_open_picture_stays_open(viewed: Page, running: Path) -> None:
    viewed.click('.tile[data-image="12"]')
    title = texts(viewed, "#viewer-title")
    go_on(running)
    expect(viewed.locator("#viewer-position")).to_have_text("13 of 20")
    assert viewed.evaluate(SHOWN)
    assert texts(viewed, "#viewer-title") == title
    # The cell begins anew: it has no such picture any more.
    cell = running / "0003_cell"
    replace(Manifest.read(cell), images=[]).write(cell)
    expect(viewed.locator("#viewer")).to_be_hidden()
    assert len(tiles(viewed)) == 16


def test_a_vote_begins_from_the_page(viewed: Page, running: Path) -> None:
    pick(viewed, "#vote", "Vote on", "scheduler")
    viewed.click("#vote button")
    with viewed.context.expect_page() as opened:
        viewed.click("#vote-said a")
    voting = opened.value
    voting.fill("#voter", "ann")
    voting.keyboard.press("Enter")
    expect(voting.locator("#progress")).to_have_text("0 of 1")
    voting.keyboard.press("ArrowLeft")
    expect(voting.locator("#done")).to_be_visible()
    voting.close()
    (vote,) = read_votes(running).votes
    assert vote.voter == "ann"
