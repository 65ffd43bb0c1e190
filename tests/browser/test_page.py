"""The page of a sweep as a whole: from files, with hostile texts, on a phone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import Events
from browser.looks import (
    FOCUSED,
    SIDE,
    column,
    drawn,
    loaded,
    pick,
    shot_of,
    show,
    texts,
    tiles,
)
from helpers.made_sweeps import ERROR, HOSTILE, Made, write_run, write_sweep
from runner.analysis.report.writing import Report, write_report
from runner.tracking.status import Status

pytestmark = pytest.mark.slow

PageOf = Callable[[Made], Page]


@pytest.mark.parametrize("form", ["the folder", "the single file"])
def test_it_opens_from_files_with_all_its_pictures(tab: Page, report: Report, form: str) -> None:
    assert report.alone is not None
    show(tab, report.index if form == "the folder" else report.alone)
    assert tiles(tab) == list(range(24))
    loaded(tab, "#grid img")
    assert texts(tab, "h1") == ["made"]
    assert texts(tab, "#question") == ["How many steps are enough?"]
    assert "6 cells" in texts(tab, "#counts")[0]
    tab.click(".tile")
    loaded(tab, "#stage img")
    assert tab.evaluate("document.querySelector('#stage img').naturalWidth") == SIDE
    tab.keyboard.press("Escape")


def test_pictures_of_the_same_pixels_are_all_there(tab: Page, tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "sweep", Made())
    one, *others = sorted(folder.glob("*/0000_*.png"))
    for other in others:
        other.write_bytes(one.read_bytes())
    alone = write_report(folder).alone
    assert alone is not None
    show(tab, alone)
    assert tab.locator("#grid .tile img").count() == 24


def test_without_a_network_and_without_markup_from_texts(page: Page, events: Events) -> None:
    got = page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'got', e => e.name)")
    assert got == "TypeError"
    said = page.evaluate(
        "(() => { try { document.body.innerHTML = 'x'; } catch (e) { return e.name; } })()"
    )
    assert said == "TypeError"
    page.evaluate("0")
    assert all("Content Security Policy" in p or "TrustedHTML" in p for p in events.problems)
    assert len(events.problems) >= 1
    events.problems.clear()


def test_failures_are_told_together_where_they_are_the_same(page_of: PageOf) -> None:
    page = page_of(
        Made(broken={1: Status.FAILED, 2: Status.FAILED, 5: Status.PENDING}, status=Status.FAILED)
    )
    assert texts(page, "#failed") == ["3 of 6 cells failed or did not finish"]
    alike, pending = texts(page, ".failure")
    assert ERROR in alike
    assert "stage decode" in alike
    assert "cell 1: scheduler=ddim decoder.steps=10" in alike
    assert "cell 2" in alike
    assert "It was not begun." in pending
    assert "cell 5" in pending
    assert column(page, 3) == ["finished", "failed", "failed", "finished", "finished", "pending"]


def test_what_is_all_right_has_no_section_of_failures(page: Page) -> None:
    assert page.evaluate("document.querySelector('#failures').hidden")
    assert "Failed or unfinished" not in texts(page, "nav a")


@pytest.mark.parametrize("form", ["the folder", "the single file"])
def test_hostile_texts_stay_texts(tab: Page, tmp_path: Path, form: str) -> None:
    axis = HOSTILE.replace("=", "")
    made = Made(
        axes={axis: ("1", "2"), "__proto__": ("3", HOSTILE)}, prompts=(HOSTILE, "plain"),
        question=HOSTILE, broken={3: Status.FAILED}, error=HOSTILE, status=Status.FAILED,
    )  # fmt: skip
    report = write_report(write_sweep(tmp_path / "sweep", made))
    assert report.alone is not None
    show(tab, report.index if form == "the folder" else report.alone)
    count = "document.querySelectorAll('script, [onerror], img[src=x]').length"
    scripts = tab.evaluate(count)
    assert scripts == 2
    assert tab.text_content("#question") == HOSTILE
    assert tab.text_content(".failure pre") == HOSTILE
    assert tab.text_content("#grid thead th") == HOSTILE
    assert axis in texts(tab, "#cells-table")[0]
    tab.click(".tile")
    tab.click("#viewer-compare")
    tab.keyboard.press("Escape")
    assert tab.evaluate(count) == scripts
    assert tab.evaluate("Object.prototype.toString.call({})") == "[object Object]"


def test_the_command_is_copied(page: Page, report: Report) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#copy")
    expect(page.locator("#copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == report.facts.command


def test_a_picture_that_is_gone_has_its_place(tab: Page, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", Made())
    (folder / "0001_picture_seed1.png").unlink()
    show(tab, write_report(folder).index)
    assert tiles(tab) == [0, 1, 2, 3]
    assert tab.evaluate("document.querySelectorAll('.tile')[1].textContent") == "no file"
    tab.locator(".tile").nth(1).click()
    assert "cannot be read" in texts(tab, "#stage")[0]
    tab.click("#viewer-compare")
    tab.click("input[value=difference]")
    tab.keyboard.press("Escape")


def test_a_single_run_has_what_it_can(tab: Page, tmp_path: Path) -> None:
    show(tab, write_report(write_run(tmp_path / "run", Made())).index)
    assert texts(tab, "nav a") == ["Pictures", "Cells"]
    assert texts(tab, "#grid tbody th") == ["a red circle", "синий квадрат"]
    assert texts(tab, "#grid thead th") == ["seed 0", "seed 1"]
    tab.click("#cells-table tbody td")
    assert len(tiles(tab)) == 4
    tab.locator(".tile").nth(1).click()
    tab.click("#viewer-compare")
    a, b = texts(tab, "#stage figcaption")
    assert (a, b) == ("A a red circle, seed 1", "B синий квадрат, seed 0")
    tab.keyboard.press("Escape")


@pytest.mark.parametrize("width", [360, 768])
def test_no_width_scrolls_sideways(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    drawn(page)
    widths = "(e => e.scrollWidth <= e.clientWidth)(document.documentElement)"
    assert page.evaluate(widths)
    page.evaluate("document.querySelector('#environment').open = true")
    assert page.evaluate(widths)
    assert page.evaluate("document.querySelector('#grid').scrollWidth") > 0
    page.click(".tile")
    inside = "(e => e.scrollWidth <= e.clientWidth)(document.querySelector('#viewer'))"
    assert page.evaluate(inside)
    page.click("#viewer-compare")
    assert page.evaluate(inside)
    for selector in ("#viewer-close", "#swap", "#stage img"):
        right = f"document.querySelector('{selector}').getBoundingClientRect().right"
        assert page.evaluate(right) <= width
    page.keyboard.press("Escape")


def test_it_is_dark_where_that_is_wanted(page: Page) -> None:
    light = shot_of(page).getpixel((5, 5))
    page.emulate_media(color_scheme="dark")
    dark = shot_of(page).getpixel((5, 5))
    assert isinstance(light, tuple)
    assert isinstance(dark, tuple)
    assert min(light) > 230
    assert max(dark) < 40


def test_a_thousand_pictures_are_loaded_and_laid_out_as_they_are_looked_at(
    page_of: PageOf, events: Events
) -> None:
    page = page_of(Made(axes={"a": [str(n) for n in range(50)]}, seeds=range(10), side=8))
    assert len(tiles(page)) == 1000
    thumbs = [url for url in events.requests if url.endswith(".webp")]
    assert 0 < len(thumbs) < 500
    laid_out = (
        "[...document.querySelectorAll('#grid .tile')]"
        ".filter(e => e.checkVisibility({contentVisibilityAuto: true})).length"
    )
    assert 0 < page.evaluate(laid_out) < 500
    height = "document.querySelector('#grid').scrollHeight"
    before = page.evaluate(height)
    page.evaluate("document.querySelector('#grid').scrollTop = 1e9")
    expect(page.locator("#grid img").last).to_have_js_property("naturalWidth", 8)
    assert page.evaluate(laid_out) < 700
    assert page.evaluate(height) == pytest.approx(before, rel=0.1)  # no scroll bar that jumps
    # What is not laid out is found by its text, reached by keys, and printed.
    page.evaluate("getSelection().collapse(document.querySelector('#grid'), 0)")
    assert page.evaluate("window.find('a=25', true)")
    page.focus("[data-image='500']")
    page.keyboard.press("Tab")
    drawn(page)
    assert page.evaluate(FOCUSED) == "501"
    box = page.locator("[data-image='501']").bounding_box()
    assert box is not None
    assert 0 <= box["y"] <= 900
    page.emulate_media(media="print")
    drawn(page)
    assert page.evaluate(laid_out) == 1000
    page.emulate_media(media="screen")
    events.requests.clear()
    pick(page, "#grid-layout", "Rows", "seed")
    drawn(page)
    assert len(events.requests) < 500
