"""The voting page: by keyboard, by touch on a phone, with hostile prompts, and when it is left."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import PATIENCE, Events
from browser.looks import near, shot_of, texts
from helpers.made_sweeps import HOSTILE, Made, write_sweep
from runner.analysis.reading import read_results
from runner.analysis.votes.pairs import make_schedule
from runner.analysis.votes.record import Shown, read_votes
from runner.analysis.voting.ballots import Ballots
from runner.analysis.voting.site import VotingSite
from runner.images.png import read_png
from runner.system.loopback import LoopbackServer

pytestmark = pytest.mark.slow

PROMPTS = (
    "a red circle",
    HOSTILE,
    "<script>alert(1)</script>",
    '"onerror=alert(1) x="',
    "x " * 999,
)
BOXES = """[...document.querySelectorAll('.picture, #tie, #undo, #prompt')].map(
    one => JSON.stringify(one.getBoundingClientRect()))"""


class Voting:
    """A server of the page over a sweep of three settings."""

    def __init__(self, folder: Path) -> None:
        made = Made(axes={"scheduler": ("a", "b", "c")}, prompts=PROMPTS, seeds=(0,), side=48)
        self.folder = write_sweep(folder, made).resolve()
        results = read_results(self.folder)
        ballots = Ballots(results, "Which is better?", make_schedule(results))
        self.server = LoopbackServer(VotingSite(ballots))

    def colour(self, shown: Shown) -> tuple[int, int, int]:
        red, green, blue = read_png(self.folder / shown.file).getpixel((0, 0))  # type: ignore[misc]
        return red, green, blue


@pytest.fixture
def voting(tmp_path: Path) -> Iterator[Voting]:
    found = Voting(tmp_path / "sweep")
    thread = threading.Thread(target=found.server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


@pytest.fixture
def begun(tab: Page, events: Events, voting: Voting) -> Page:
    """The page of a voter who has said their name."""
    events.allowed = (voting.server.address, "data:")
    tab.goto(voting.server.address)
    begin(tab, "ann")
    return tab


def begin(tab: Page, name: str) -> None:
    tab.fill("#voter", name)
    tab.keyboard.press("Enter")
    expect(tab.locator("#ballot")).to_be_visible()


def after(tab: Page, action: Callable[[], None]) -> None:
    """Do it, and wait for the next pair."""
    before = tab.inner_text("#progress")
    action()
    tab.wait_for_function(
        "b => document.querySelector('#progress').textContent !== b"
        " || !document.querySelector('#done').hidden",
        arg=before,
    )


def middle(tab: Page, side: str) -> tuple[int, int, int]:
    image = shot_of(tab, f"#{side}")
    red, green, blue = image.getpixel((image.width // 2, image.height // 2))  # type: ignore[misc]
    return red, green, blue


def test_by_keyboard_what_is_seen_is_what_is_kept(begun: Page, voting: Voting) -> None:
    boxes, prompts = set(), []
    keys = ("ArrowLeft", "ArrowRight", " ", "1", "2", "0", "ArrowUp", "ArrowDown")
    answers = ("left", "right", "tie", "left", "right", "tie", "left", "right")
    for number, (key, answer) in enumerate(zip(keys, answers, strict=True)):
        assert texts(begun, "#progress") == [f"{number} of 15"]
        boxes |= set(begun.evaluate(BOXES))
        prompts.append(begun.text_content("#prompt"))
        seen = [middle(begun, side) for side in ("left", "right")]
        after(begun, lambda key=key: begun.keyboard.press(key))  # type: ignore[misc]
        kept = read_votes(voting.folder).votes[-1]
        assert (kept.answer, kept.prompt, kept.voter) == (answer, prompts[-1], "ann")
        for shown, colour in zip((kept.left, kept.right), seen, strict=True):
            assert near(voting.colour(shown), colour)
    assert len(boxes) == 5  # nothing moved, whatever the prompt
    after(begun, lambda: begun.keyboard.press("u"))
    assert begun.text_content("#prompt") == prompts[-1]
    # A space on a button that has the focus is that button's.
    begun.focus("#undo")
    after(begun, lambda: begun.keyboard.press(" "))
    assert texts(begun, "#progress") == ["6 of 15"]
    begun.locator("#left").focus()
    for _ in range(9):
        after(begun, lambda: begun.keyboard.press("Enter"))
    assert texts(begun, "#done-said") == ["15 of 15 are done."]
    assert {vote.answer.value for vote in read_votes(voting.folder).votes[6:]} == {"left"}
    begun.keyboard.press("ArrowLeft")
    begun.click("#undo-done")
    expect(begun.locator("#ballot")).to_be_visible()
    assert len(read_votes(voting.folder).votes) == 14


def test_on_a_phone_by_touch(tab: Page, voting: Voting) -> None:
    browser = tab.context.browser
    assert browser is not None
    size = {"width": 390, "height": 844}
    context = browser.new_context(viewport=size, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    phone = context.new_page()
    phone.set_default_timeout(PATIENCE)
    events = Events(allowed=(voting.server.address, "data:"))
    events.listen(phone)
    phone.goto(voting.server.address)
    begin(phone, "ann")
    boxes = [phone.locator(one).bounding_box() for one in ("#left", "#right", "#tie", "#undo")]
    for box in boxes:
        assert box is not None
        assert box["height"] >= 44
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
        assert 0 <= box["y"] <= box["y"] + box["height"] <= 844
    upper, lower = boxes[0], boxes[1]
    assert upper is not None
    assert lower is not None
    assert upper["width"] > 360  # one above the other
    assert upper["y"] + upper["height"] <= lower["y"]
    for target in ("#left", "#right", "#tie"):
        after(phone, lambda target=target: phone.tap(target))  # type: ignore[misc]
    assert [v.answer.value for v in read_votes(voting.folder).votes] == ["left", "right", "tie"]
    after(phone, lambda: phone.tap("#undo"))
    assert len(read_votes(voting.folder).votes) == 2
    events.check(phone)
    context.close()


def test_hostile_prompts_stay_texts(begun: Page, events: Events) -> None:
    seen = set()
    for _ in range(15):
        seen.add(begun.text_content("#prompt"))
        after(begun, lambda: begun.keyboard.press("0"))
    assert seen == set(PROMPTS)
    found = "document.querySelectorAll('script, [onerror], img[src=x]').length"
    assert begun.evaluate(found) == 1  # the page's own
    added = "document.body.append(Object.assign(document.createElement('script'), {text: 'x=1'}))"
    begun.evaluate(f"(() => {{ try {{ {added} }} catch {{}} }})()")
    assert begun.evaluate("typeof x") == "undefined"
    begun.evaluate("0")
    assert events.problems
    assert all("Content Security Policy" in p or "TrustedScript" in p for p in events.problems)
    events.problems.clear()


def test_it_is_gone_on_with_until_ctrl_c(tab: Page, voting: Voting, events: Events) -> None:
    command = [sys.executable, "-m", "runner", "vote", str(voting.folder), "--question", "Why?"]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    assert program.stdout.readline() == "15 pairs by scheduler\n"
    address = program.stdout.readline().split()[0]
    events.allowed = (address, "data:")
    tab.goto(address)
    begin(tab, "ann")
    after(tab, lambda: tab.click("#right"))
    after(tab, lambda: tab.keyboard.press(" "))  # the mouse left no focus: this is a tie
    assert [v.answer.value for v in read_votes(voting.folder).votes] == ["right", "tie"]
    tab.reload()
    expect(tab.locator("#progress")).to_have_text("2 of 15")
    program.send_signal(signal.SIGINT)
    said, _ = program.communicate(timeout=60)
    assert program.returncode == 0
    assert "ann: 2 votes now; 2 of 15 pairs judged" in said
    assert f"compare {voting.folder}" in said
    tab.keyboard.press("ArrowLeft")
    expect(tab.locator("#problem")).to_contain_text("has ended")
    expect(tab.locator("#progress")).to_have_text("2 of 15")
    assert len(read_votes(voting.folder).votes) == 2
    tab.evaluate("0")
    assert all("ERR_CONNECTION_REFUSED" in problem for problem in events.problems)
    events.problems.clear()
