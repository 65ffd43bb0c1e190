"""A picture with all that is known of it, and two of them compared."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from browser.chromium import Chromium
from browser.looks import (
    FOCUSED,
    SHOWN,
    TITLE,
    colour,
    loaded,
    near,
    texts,
)
from helpers.made_sweeps import GIVEN, Made
from runner.analysis.report.writing import Report

pytestmark = pytest.mark.slow

PageOf = Callable[[Made], Chromium]


def test_the_viewer_by_keyboard_alone(page: Chromium) -> None:
    page.js("document.querySelector('[data-image=\"2\"]').focus()")
    page.key("Enter")
    page.until(SHOWN)
    assert page.js(TITLE).startswith("синий квадрат, seed 0, cell 0")
    page.key("ArrowRight")
    page.key("ArrowRight")
    assert "cell 1" in page.js(TITLE)
    assert texts(page, "#viewer-position") == ["5 of 24"]
    page.key("ArrowLeft")
    assert texts(page, "#viewer-position") == ["4 of 24"]
    page.key("Escape")
    page.until(f"!{SHOWN}")
    # Back in the grid, at the picture that was looked at last.
    page.until(f"{FOCUSED} === '3'")


def test_the_arrow_keys_go_round(page: Chromium) -> None:
    page.click(".tile")
    page.key("ArrowLeft")
    assert texts(page, "#viewer-position") == ["24 of 24"]
    page.key("ArrowRight")
    assert texts(page, "#viewer-position") == ["1 of 24"]
    page.key("Escape")


def test_the_focus_stays_within_the_viewer(page: Chromium) -> None:
    page.click(".tile")
    seen = []
    for _ in range(20):
        page.key("Tab")
        seen.append(
            page.js("(e => e === document.body ? 'none' : e.closest('#viewer') ? e.id : 'out')"
                    "(document.activeElement)")
        )  # fmt: skip
    assert "out" not in seen
    assert {"viewer-before", "viewer-after", "viewer-compare", "viewer-close"} <= set(seen)
    page.key("Escape")


def test_the_record_says_all(page: Chromium, report: Report) -> None:
    page.click("[data-image='5']")
    record = texts(page, "#record")[0]
    image = report.facts.images[5]
    for part in (
        image.prompt, image.sha256, "prior1", "decode1-1", "scheduler=ddim", "decoder.steps=10",
        "0.56000", "0.7600", "mlflow-1", "32 × 32 px", "0001_picture_seed1.png",
    ):  # fmt: skip
        assert part in record, part
    page.click("#record details summary")
    assert page.js("document.querySelector('#record details tr.marked').innerText").split() == [
        "decoder.steps", "10",
    ]  # fmt: skip
    page.click("#viewer-close")
    page.until(f"!{SHOWN}")


def test_a_click_beside_a_picture_closes_nothing(page: Chromium) -> None:
    page.click(".tile")
    page.click("#stage")
    assert page.js(SHOWN)
    page.key("Escape")


def compare(page: Chromium, a: int, b: int, mode: str) -> None:
    page.click(f"[data-image='{a}']", shift=True)
    assert not page.js(SHOWN)
    assert texts(page, "#tray-said")[0].startswith("Chosen: ")
    page.click(f"[data-image='{b}']", shift=True)
    page.until(SHOWN)
    page.click(f"input[value={mode}]")
    loaded(page, "#stage img")


def test_two_pictures_side_by_side(page: Chromium) -> None:
    compare(page, 0, 9, "side")
    assert [text[0] for text in texts(page, "#stage figcaption")] == ["A", "B"]
    marked = texts(page, "#record tr.marked")
    assert any(row.startswith("decoder.steps\t5\t50") for row in marked)
    assert any(row.startswith("seed\t0\t1") for row in marked)
    assert not any(row.startswith("prompt") for row in marked)
    page.key("Escape")


def test_the_border_of_a_swipe_follows_keys_and_mouse(page: Chromium) -> None:
    compare(page, 0, 9, "swipe")

    def across() -> list[bool]:
        """Whether A is shown, at nine places from left to right."""
        shot = page.picture("#stack")
        row = [shot.getpixel((shot.width * n // 10, shot.height // 2)) for n in range(1, 10)]
        assert all(near(p, colour(0, 0)) or near(p, colour(2, 1)) for p in row[:4] + row[5:])
        return [near(pixel, colour(0, 0)) for pixel in row]

    shown = across()
    assert (shown[:4], shown[5:]) == ([True] * 4, [False] * 4)
    page.js("document.querySelector('#cut').focus()")
    for _ in range(25):
        page.key("ArrowLeft")
    assert across()[:4] == [True, True, False, False]
    box = page.js("(b => [b.x, b.y, b.width, b.height])"
                  "(document.querySelector('#stack').getBoundingClientRect())")  # fmt: skip
    at = {"x": box[0] + 0.85 * box[2], "y": box[1] + box[3] / 2, "button": "left", "clickCount": 1}
    page.call("Input.dispatchMouseEvent", type="mousePressed", **at)
    page.call("Input.dispatchMouseEvent", type="mouseReleased", **at)
    page.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert across()[5:] == [True, True, True, False]
    page.key("Escape")


@pytest.mark.parametrize(("keys", "factor"), [([], 4), (["ArrowLeft"] * 2, 1), (["ArrowRight"], 8)])
def test_the_difference_is_that_of_the_pixels(page: Chromium, keys: list[str], factor: int) -> None:
    compare(page, 0, 1, "difference")
    page.js("document.querySelector('#amplify').focus()")
    for key in keys:
        page.key(key)
    assert texts(page, "#amplified") == [f"×{factor}"]
    page.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    a, b = colour(0, 0), colour(0, 1)
    red, green, blue = (
        min(255, factor * abs(one - other)) for one, other in zip(a, b, strict=True)
    )
    shot = page.picture("#stack")
    assert (red, green, blue) != (0, 0, 0)
    assert near(shot.getpixel((shot.width // 2, shot.height // 2)), (red, green, blue), factor + 2)
    page.key("Escape")


def test_a_picture_is_compared_with_its_like_in_the_baseline(page: Chromium) -> None:
    page.click("[data-image='5']")  # ddim, 10 steps: the second of its cell
    page.click("#viewer-compare")
    a, b = texts(page, "#stage figcaption")
    assert "cell 1: scheduler=ddim decoder.steps=10" in a
    assert "seed 1, cell 2: scheduler=ddim decoder.steps=50" in b
    page.key("ArrowRight")
    assert "cell 2" in texts(page, "#stage figcaption")[1]
    assert texts(page, "#stage figcaption")[0] == a
    page.click("#swap")
    assert texts(page, "#stage figcaption")[1][1:] == a[1:]
    page.click("#viewer-compare")
    assert page.js("document.querySelectorAll('#stage img').length") == 1
    page.key("Escape")


def test_a_choice_can_be_taken_back(page: Chromium) -> None:
    page.click("[data-image='3']", shift=True)
    assert page.js("document.querySelectorAll('.chosen').length") == 1
    page.click("#tray-clear")
    assert page.js("document.querySelectorAll('.chosen').length") == 0
    assert page.js("document.querySelector('#tray').hidden")
    assert page.js(FOCUSED) == "3"


def test_what_a_picture_was_made_from_is_beside_it(page_of: PageOf) -> None:
    page = page_of(Made(inputs=("image", "mask.2")))
    page.click("[data-image='5']")
    page.until(SHOWN)
    loaded(page, ".inputs img")
    assert texts(page, ".inputs figcaption") == ["image", "mask.2"]
    shot = page.picture(".inputs img")
    assert shot.width == pytest.approx(3 * shot.height, abs=4)  # 48 by 16
    assert near(shot.getpixel((shot.width // 2, shot.height // 2)), GIVEN)
    assert page.js("document.querySelector('.inputs a').download") == "image_0123abcd.png"
    page.key("Escape")


def test_without_one_nothing_is_said_of_it(page: Chromium) -> None:
    page.click(".tile")
    assert texts(page, ".inputs") == []
    page.key("Escape")
