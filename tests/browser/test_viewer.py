"""The viewer: one picture with its details, and two pictures compared."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.looks import (
    FOCUSED,
    SHOWN,
    TITLE,
    colour,
    drawn,
    loaded,
    near,
    shot_of,
    texts,
)
from helpers.made_sweeps import GIVEN, Made
from runner.analysis.report.writing import Report

pytestmark = pytest.mark.slow

PageOf = Callable[[Made], Page]


def test_the_viewer_by_keyboard_alone(page: Page) -> None:
    page.focus("[data-image='2']")
    page.keyboard.press("Enter")
    expect(page.locator("#viewer")).to_be_visible()
    assert page.evaluate(TITLE).startswith("синий квадрат, seed 0, cell 0")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "cell 1" in page.evaluate(TITLE)
    assert texts(page, "#viewer-position") == ["5 of 24"]
    page.keyboard.press("ArrowLeft")
    assert texts(page, "#viewer-position") == ["4 of 24"]
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    # Back in the grid, at the picture that was looked at last.
    expect(page.locator("[data-image='3']")).to_be_focused()


def test_the_arrow_keys_go_round(page: Page) -> None:
    page.click(".tile")
    page.keyboard.press("ArrowLeft")
    assert texts(page, "#viewer-position") == ["24 of 24"]
    page.keyboard.press("ArrowRight")
    assert texts(page, "#viewer-position") == ["1 of 24"]
    page.keyboard.press("Escape")


def test_the_focus_stays_within_the_viewer(page: Page) -> None:
    page.click(".tile")
    seen = []
    for _ in range(20):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "(e => e === document.body ? 'none' : e.closest('#viewer') ? e.id : 'out')"
                "(document.activeElement)"
            )
        )
    assert "out" not in seen
    assert {"viewer-before", "viewer-after", "viewer-compare", "viewer-close"} <= set(seen)
    page.keyboard.press("Escape")


def test_the_record_says_all(page: Page, report: Report) -> None:
    page.click("[data-image='5']")
    record = texts(page, "#record")[0]
    image = report.facts.images[5]
    for part in (
        image.prompt, image.sha256, "prior1", "decode1-1", "scheduler=ddim", "decoder.steps=10",
        "0.56000", "0.7600", "mlflow-1", "32 × 32 px", "0001_picture_seed1.png",
    ):  # fmt: skip
        assert part in record, part
    page.click("#record details summary")
    assert page.inner_text("#record details tr.marked").split() == ["decoder.steps", "10"]
    page.click("#viewer-close")
    expect(page.locator("#viewer")).to_be_hidden()


def test_a_click_beside_a_picture_closes_nothing(page: Page) -> None:
    page.click(".tile")
    page.click("#stage")
    assert page.evaluate(SHOWN)
    page.keyboard.press("Escape")


def compare(page: Page, a: int, b: int, mode: str) -> None:
    page.click(f"[data-image='{a}']", modifiers=["Shift"])
    assert not page.evaluate(SHOWN)
    assert texts(page, "#tray-said")[0].startswith("Chosen: ")
    page.click(f"[data-image='{b}']", modifiers=["Shift"])
    expect(page.locator("#viewer")).to_be_visible()
    page.click(f"input[value={mode}]")
    loaded(page, "#stage img")


def test_two_pictures_side_by_side(page: Page) -> None:
    compare(page, 0, 9, "side")
    assert [text[0] for text in texts(page, "#stage figcaption")] == ["A", "B"]
    marked = texts(page, "#record tr.marked")
    assert any(row.startswith("decoder.steps\t5\t50") for row in marked)
    assert any(row.startswith("seed\t0\t1") for row in marked)
    assert not any(row.startswith("prompt") for row in marked)
    page.keyboard.press("Escape")


def test_the_border_of_a_swipe_follows_keys_and_mouse(page: Page) -> None:
    compare(page, 0, 9, "swipe")

    def across() -> list[bool]:
        """Whether A is shown, at nine places from left to right."""
        shot = shot_of(page, "#stack")
        row = [shot.getpixel((shot.width * n // 10, shot.height // 2)) for n in range(1, 10)]
        assert all(near(p, colour(0, 0)) or near(p, colour(2, 1)) for p in row[:4] + row[5:])
        return [near(pixel, colour(0, 0)) for pixel in row]

    shown = across()
    assert (shown[:4], shown[5:]) == ([True] * 4, [False] * 4)
    page.focus("#cut")
    for _ in range(25):
        page.keyboard.press("ArrowLeft")
    assert across()[:4] == [True, True, False, False]
    box = page.locator("#stack").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.85 * box["width"], box["y"] + box["height"] / 2)
    drawn(page)
    assert across()[5:] == [True, True, True, False]
    page.keyboard.press("Escape")


@pytest.mark.parametrize(("keys", "factor"), [([], 4), (["ArrowLeft"] * 2, 1), (["ArrowRight"], 8)])
def test_the_difference_is_that_of_the_pixels(page: Page, keys: list[str], factor: int) -> None:
    compare(page, 0, 1, "difference")
    page.focus("#amplify")
    for key in keys:
        page.keyboard.press(key)
    assert texts(page, "#amplified") == [f"×{factor}"]
    drawn(page)
    a, b = colour(0, 0), colour(0, 1)
    red, green, blue = (
        min(255, factor * abs(one - other)) for one, other in zip(a, b, strict=True)
    )
    shot = shot_of(page, "#stack")
    assert (red, green, blue) != (0, 0, 0)
    assert near(shot.getpixel((shot.width // 2, shot.height // 2)), (red, green, blue), factor + 2)
    page.keyboard.press("Escape")


def test_a_picture_is_compared_with_its_like_in_the_baseline(page: Page) -> None:
    page.click("[data-image='5']")  # ddim, 10 steps: the second of its cell
    page.click("#viewer-compare")
    a, b = texts(page, "#stage figcaption")
    assert "cell 1: scheduler=ddim decoder.steps=10" in a
    assert "seed 1, cell 2: scheduler=ddim decoder.steps=50" in b
    page.keyboard.press("ArrowRight")
    assert "cell 2" in texts(page, "#stage figcaption")[1]
    assert texts(page, "#stage figcaption")[0] == a
    page.click("#swap")
    assert texts(page, "#stage figcaption")[1][1:] == a[1:]
    page.click("#viewer-compare")
    assert page.locator("#stage img").count() == 1
    page.keyboard.press("Escape")


def test_a_choice_can_be_taken_back(page: Page) -> None:
    page.click("[data-image='3']", modifiers=["Shift"])
    assert page.locator(".chosen").count() == 1
    page.click("#tray-clear")
    assert page.locator(".chosen").count() == 0
    assert page.evaluate("document.querySelector('#tray').hidden")
    assert page.evaluate(FOCUSED) == "3"


def test_what_a_picture_was_made_from_is_beside_it(page_of: PageOf) -> None:
    page = page_of(Made(inputs=("image", "mask.2")))
    page.click("[data-image='5']")
    expect(page.locator("#viewer")).to_be_visible()
    loaded(page, ".inputs img")
    assert texts(page, ".inputs figcaption") == ["image", "mask.2"]
    shot = shot_of(page, ".inputs img")
    assert shot.width == pytest.approx(3 * shot.height, abs=4)  # 48 by 16
    assert near(shot.getpixel((shot.width // 2, shot.height // 2)), GIVEN)
    assert page.evaluate("document.querySelector('.inputs a').download") == "image_0123abcd.png"
    page.keyboard.press("Escape")


def test_without_one_nothing_is_said_of_it(page: Page) -> None:
    page.click(".tile")
    assert texts(page, ".inputs") == []
    page.keyboard.press("Escape")


def test_the_viewer_has_the_command_that_makes_a_picture_again(page: Page, report: Report) -> None:
    page.click('.tile[data-image="5"]')
    (said,) = texts(page, "#record code")
    program, verb, file = shlex.split(said)
    assert (program, verb) == ("kandinsky", "again")
    assert Path(file).is_file()
    assert Path(file).parent == report.index.parents[1] / "0001_cell"
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#record .command button")
    expect(page.locator("#record .command button")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == said
    page.keyboard.press("Escape")
