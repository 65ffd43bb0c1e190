"""What is looked at is kept in the address: a view can be sent, and found again."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import Page, expect

from browser.looks import SHOWN, TITLE, captions, column, drawn, pick, texts, tiles
from helpers.made_sweeps import HOSTILE, Made
from runner.analysis.report.writing import Report

pytestmark = pytest.mark.slow

WRITTEN = 400
"""Milliseconds after which the address is that of the view."""


def address(page: Page) -> dict[str, str]:
    page.wait_for_timeout(WRITTEN)
    return dict(parse_qsl(page.url.partition("#")[2], keep_blank_values=True))


def follow(page: Page, url: str) -> None:
    """Open an address in the same tab, as if it had been sent."""
    page.goto("about:blank")
    page.goto(url)
    drawn(page)


def seen(page: Page) -> list[object]:
    plot = page.locator("#lines .axis").all_text_contents()
    return [tiles(page), captions(page), column(page, 0), plot]


def test_at_first_it_says_nothing(page: Page, report: Report) -> None:
    assert address(page) == {}
    assert page.url == report.index.as_uri()


def test_a_view_that_is_sent_is_found_again(page: Page) -> None:
    pick(page, "#grid-layout", "Rows", "scheduler")
    pick(page, "#grid-layout", "Columns", "seed")
    pick(page, "#grid-only", "prompt", "синий квадрат")
    pick(page, "#grid-layout", "Below", "ssim")
    page.fill("#filter", "ddpm")
    page.locator("#cells-table th button").nth(5).click()
    page.locator("#cells-table th button").nth(5).click()
    pick(page, "#lines", "Number", "warmth")
    said = address(page)
    assert said["rows"] == "scheduler"
    assert said["only.prompt"] == "синий квадрат"
    before = seen(page)
    follow(page, page.url)
    assert seen(page) == before
    assert page.input_value("#filter") == "ddpm"
    assert address(page) == said


def test_a_picture_and_its_comparison_are_found_again(page: Page) -> None:
    page.click('.tile[data-image="5"]')
    title = page.evaluate(TITLE)
    follow(page, page.url if address(page) else "")
    assert page.evaluate(SHOWN)
    assert page.evaluate(TITLE) == title
    page.click("#viewer-compare")
    page.click("input[value=swipe]")
    record = texts(page, "#record")
    said = address(page)
    assert (said["mode"], set(said)) == ("swipe", {"picture", "with", "mode"})
    follow(page, page.url)
    assert texts(page, "#record") == record
    assert page.locator("#stack.swipe").count() == 1
    page.keyboard.press("Escape")
    assert set(address(page)) == {"mode"}


def test_links_within_the_page_leave_the_view(page: Page) -> None:
    pick(page, "#grid-layout", "Rows", "seed")
    said = address(page)
    page.click("#contents a >> nth=-1")
    assert address(page) == said
    assert page.locator("#grid tbody th").first.text_content() == "seed 0"


def test_another_address_in_the_same_tab_is_followed(page: Page) -> None:
    page.evaluate("location.hash = 'rows=seed&only.scheduler=ddpm&sort=-ssim ↑'")
    expect(page.locator("#grid tbody th").first).to_have_text("seed 0")
    assert sorted(tiles(page)) == list(range(12, 24))
    page.evaluate("location.hash = 'rows=no such axis&only.scheduler=nothing&picture=x&sort=y'")
    drawn(page)
    assert len(tiles(page)) == 24
    assert not page.evaluate(SHOWN)


def test_names_that_users_chose_are_only_texts(page_of: Page) -> None:
    made = Made(axes={"scheduler": ("ddim", HOSTILE)}, prompts=("a red circle", HOSTILE))
    page = page_of(made)  # type: ignore[operator]
    page.locator("#grid-only select").first.select_option(index=2)
    shown = tiles(page)
    assert address(page)["only.scheduler"] == HOSTILE
    follow(page, page.url)
    assert tiles(page) == shown == [4, 5, 6, 7]
