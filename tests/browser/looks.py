"""What can be seen of a page, and a choice as a person makes it."""

from __future__ import annotations

from typing import Any

from browser.chromium import Chromium
from helpers.made_sweeps import picture

SIDE = 32
SHOWN = "document.querySelector('#viewer').open"
TITLE = "document.querySelector('#viewer-title').textContent"
FOCUSED = "document.activeElement.dataset.image"


def texts(page: Chromium, selector: str) -> list[str]:
    found: list[str] = page.js(
        f"[...document.querySelectorAll({selector!r})].map(e => e.innerText.trim())"
    )
    return found


def tiles(page: Chromium) -> list[int]:
    """Numbers of the pictures in the grid."""
    found: list[int] = page.js(
        "[...document.querySelectorAll('#grid .tile')].map(e => Number(e.dataset.image))"
    )
    return found


def captions(page: Chromium) -> list[str]:
    """What is written below the pictures of the grid, whether or not it is in view."""
    found: list[str] = page.js(
        "[...document.querySelectorAll('#grid .caption')].map(e => e.textContent)"
    )
    return found


def pick(page: Chromium, box: str, label: str, value: str) -> None:
    """Choose an option by what is written, in a select by what is written beside it."""
    place, option = page.js(
        f"(() => {{ const all = [...document.querySelectorAll('{box} .picker')]"
        f".filter(e => e.querySelector('select'));"
        f"const n = all.findIndex(e => e.querySelector('span').textContent === {label!r});"
        f"const o = [...all[n].querySelectorAll('option')].find(o => o.text === {value!r});"
        "if (!all[n].checkVisibility()) throw 'it is not to be seen'; return [n, o.value]; })()"
    )
    page.choose(f"{box} .picker select", option, place)


def loaded(page: Chromium, selector: str) -> None:
    """Wait until its pictures are drawn."""
    page.until(
        f"[...document.querySelectorAll({selector!r})].every(i => i.complete && i.naturalWidth > 0)"
    )
    page.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def colour(number: int, place: int) -> tuple[int, int, int]:
    found = picture(number, place, 1).getpixel((0, 0))
    assert isinstance(found, tuple)
    return found[0], found[1], found[2]


def near(one: Any, other: tuple[int, int, int], by: int = 3) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


def column(page: Chromium, place: int) -> list[str]:
    """What a column of the table of cells says."""
    return texts(page, f"#cells-table tbody tr > :nth-child({place + 1})")
