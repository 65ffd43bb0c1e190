"""The page of a sweep as a whole: as files, with hostile texts, on a telephone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from unit.report.made_sweeps import ERROR, HOSTILE, Made, write_run, write_sweep

from browser.chromium import Chromium
from browser.looks import (
    SIDE,
    column,
    loaded,
    pick,
    texts,
    tiles,
)
from helpers.made_sweeps import ERROR, HOSTILE, Made, write_run, write_sweep
from runner.analysis.report.writing import Report, write_report
from runner.recording.manifest import FAILED, PENDING

pytestmark = pytest.mark.slow

PageOf = Callable[[Made], Chromium]


@pytest.mark.parametrize("form", ["the folder", "the single file"])
def test_it_opens_from_files_with_all_its_pictures(
    browser: Chromium, report: Report, form: str
) -> None:
    assert report.alone is not None
    browser.open(report.index if form == "the folder" else report.alone)
    assert tiles(browser) == list(range(24))
    loaded(browser, "#grid img")
    assert texts(browser, "h1") == ["made"]
    assert texts(browser, "#question") == ["How many steps are enough?"]
    assert "6 cells" in texts(browser, "#counts")[0]
    browser.click(".tile")
    loaded(browser, "#stage img")
    assert browser.js("document.querySelector('#stage img').naturalWidth") == SIDE
    browser.key("Escape")


def test_without_a_network_and_without_markup_from_texts(page: Chromium) -> None:
    assert page.js("fetch('http://127.0.0.1:9/').then(() => 'got', e => e.name)") == "TypeError"
    said = page.js(
        "(() => { try { document.body.innerHTML = 'x'; } catch (e) { return e.name; } })()"
    )
    assert said == "TypeError"
    page.js("0")
    assert all("Content Security Policy" in p or "TrustedHTML" in p for p in page.problems)
    assert len(page.problems) >= 1
    page.problems.clear()


def test_failures_are_told_together_where_they_are_the_same(page_of: PageOf) -> None:
    page = page_of(Made(broken={1: FAILED, 2: FAILED, 5: PENDING}, status=FAILED))
    assert texts(page, "#failed") == ["3 of 6 cells failed or did not finish"]
    alike, pending = texts(page, ".failure")
    assert ERROR in alike
    assert "stage decode" in alike
    assert "cell 1: scheduler=ddim decoder.steps=10" in alike
    assert "cell 2" in alike
    assert "It was not begun." in pending
    assert "cell 5" in pending
    assert column(page, 3) == ["finished", "failed", "failed", "finished", "finished", "pending"]


def test_what_is_all_right_has_no_section_of_failures(page: Chromium) -> None:
    assert page.js("document.querySelector('#failures').hidden")
    assert "Failed or unfinished" not in texts(page, "nav a")


@pytest.mark.parametrize("form", ["the folder", "the single file"])
def test_hostile_texts_stay_texts(browser: Chromium, tmp_path: Path, form: str) -> None:
    axis = HOSTILE.replace("=", "")
    made = Made(
        axes={axis: ("1", "2"), "__proto__": ("3", HOSTILE)}, prompts=(HOSTILE, "plain"),
        question=HOSTILE, broken={3: FAILED}, error=HOSTILE, status=FAILED,
    )  # fmt: skip
    report = write_report(write_sweep(tmp_path / "sweep", made))
    assert report.alone is not None
    browser.open(report.index if form == "the folder" else report.alone)
    count = "document.querySelectorAll('script, [onerror], img[src=x]').length"
    scripts = browser.js(count)
    assert scripts == 2
    assert browser.js("document.querySelector('#question').textContent") == HOSTILE
    assert browser.js("document.querySelector('.failure pre').textContent") == HOSTILE
    assert browser.js("document.querySelector('#grid thead th').textContent") == HOSTILE
    assert axis in browser.js("document.querySelector('#cells-table').textContent")
    browser.click(".tile")
    browser.click("#viewer-compare")
    browser.key("Escape")
    assert browser.js(count) == scripts
    assert browser.js("Object.prototype.toString.call({})") == "[object Object]"


def test_the_command_is_copied(page: Chromium, report: Report) -> None:
    page.call("Browser.grantPermissions", permissions=["clipboardReadWrite"])
    page.click("#copy")
    page.until("document.querySelector('#copy').textContent === 'Copied'")
    assert page.js("navigator.clipboard.readText()") == report.facts.command


def test_a_picture_that_is_gone_has_its_place(browser: Chromium, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", Made())
    (folder / "0001_picture_seed1.png").unlink()
    browser.open(write_report(folder).index)
    assert tiles(browser) == [0, 1, 2, 3]
    assert browser.js("document.querySelectorAll('.tile')[1].textContent") == "no file"
    browser.click(".tile", place=1)
    assert "cannot be read" in texts(browser, "#stage")[0]
    browser.click("#viewer-compare")
    browser.click("input[value=difference]")
    browser.key("Escape")


def test_a_single_run_has_what_it_can(browser: Chromium, tmp_path: Path) -> None:
    browser.open(write_report(write_run(tmp_path / "run", Made())).index)
    assert texts(browser, "nav a") == ["Pictures", "Cells"]
    assert texts(browser, "#grid tbody th") == ["a red circle", "синий квадрат"]
    assert texts(browser, "#grid thead th") == ["seed 0", "seed 1"]
    browser.click("#cells-table tbody td")
    assert len(tiles(browser)) == 4
    browser.click(".tile", place=1)
    browser.click("#viewer-compare")
    a, b = texts(browser, "#stage figcaption")
    assert (a, b) == ("A a red circle, seed 1", "B синий квадрат, seed 0")
    browser.key("Escape")


@pytest.mark.parametrize("width", [360, 768])
def test_no_width_scrolls_sideways(page: Chromium, width: int) -> None:
    page.resize(width, 740)
    page.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    widths = "(e => e.scrollWidth <= e.clientWidth)(document.documentElement)"
    assert page.js(widths)
    page.js("document.querySelector('#environment').open = true")
    assert page.js(widths)
    assert page.js("document.querySelector('#grid').scrollWidth") > 0
    page.click(".tile")
    inside = "(e => e.scrollWidth <= e.clientWidth)(document.querySelector('#viewer'))"
    assert page.js(inside)
    page.click("#viewer-compare")
    assert page.js(inside)
    for selector in ("#viewer-close", "#swap", "#stage img"):
        right = f"document.querySelector('{selector}').getBoundingClientRect().right"
        assert page.js(right) <= width
    page.key("Escape")


def test_it_is_dark_where_that_is_wanted(page: Chromium) -> None:
    light = page.picture().getpixel((5, 5))
    page.dark(True)
    dark = page.picture().getpixel((5, 5))
    assert isinstance(light, tuple)
    assert isinstance(dark, tuple)
    assert min(light) > 230
    assert max(dark) < 40


def test_a_thousand_pictures_are_loaded_as_they_are_looked_at(page_of: PageOf) -> None:
    page = page_of(Made(axes={"a": [str(n) for n in range(50)]}, seeds=range(10), side=8))
    assert len(tiles(page)) == 1000
    thumbs = [url for url in page.requests if url.endswith(".webp")]
    assert 0 < len(thumbs) < 500
    page.requests.clear()
    pick(page, "#grid-layout", "Rows", "seed")
    page.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert len(page.requests) < 500
    page.js("document.querySelector('#grid').scrollTop = 1e9")
    last = "[...document.querySelectorAll('#grid img')].at(-1)"
    page.until(f"{last}.complete && {last}.naturalWidth === 8")
