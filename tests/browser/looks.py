"""Reads what is visible on a page, and chooses options as a user does."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page

from helpers.made_sweeps import picture

SIDE = 32
SHOWN = "document.querySelector('#viewer').open"
TITLE = "document.querySelector('#viewer-title').textContent"
FOCUSED = "document.activeElement.dataset.image"


def show(page: Page, file: Path) -> None:
    """Open a file, and wait for its plots, which are drawn when their size is known."""
    page.goto(file.as_uri())
    drawn(page)


def texts(page: Page, selector: str) -> list[str]:
    return [text.strip() for text in page.locator(selector).all_inner_texts()]


def tiles(page: Page) -> list[int]:
    """Numbers of the pictures in the grid."""
    found: list[int] = page.evaluate(
        "[...document.querySelectorAll('#grid .tile')].map(e => Number(e.dataset.image))"
    )
    return found


def captions(page: Page) -> list[str]:
    """What is written below the pictures of the grid, whether or not it is in view."""
    return page.locator("#grid .caption").all_text_contents()


def pick(page: Page, box: str, label: str, value: str) -> None:
    """Choose an option by what is written, in a select by what is written beside it."""
    named = page.locator("span", has_text=re.compile(f"^{re.escape(label)}$"))
    select = page.locator(f"{box} .picker", has=named).locator("select")
    select.select_option(label=value)


def drawn(page: Page) -> None:
    """Wait until the page shows what it was told."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def loaded(page: Page, selector: str) -> None:
    """Wait until its pictures are drawn."""
    page.locator(selector).evaluate_all("found => Promise.all(found.map(one => one.decode()))")
    drawn(page)


def shot_of(page: Page, selector: str | None = None) -> Image.Image:
    """A screenshot, RGB: of the first such element, or of what is in view."""
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    if selector is None:
        return image
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    left, top = box["x"], box["y"]
    return image.crop(
        (round(left), round(top), round(left + box["width"]), round(top + box["height"]))
    )


def colour(number: int, place: int) -> tuple[int, int, int]:
    found = picture(number, place, 1).getpixel((0, 0))
    assert isinstance(found, tuple)
    return found[0], found[1], found[2]


def near(one: Any, other: tuple[int, int, int], by: int = 3) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


def column(page: Page, place: int) -> list[str]:
    """What a column of the table of cells says."""
    return texts(page, f"#cells-table tbody tr > :nth-child({place + 1})")
