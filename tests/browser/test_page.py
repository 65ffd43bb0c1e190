"""The page of a sweep as a person uses it: with a mouse, with a keyboard, on a telephone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chromium import Chromium
from unit.report.made_sweeps import ERROR, HOSTILE, Made, picture, write_run, write_sweep

from runner.report.writing import Report, write_report
from runner.sweep_folder import FAILED, PENDING

pytestmark = pytest.mark.slow

PageOf = Callable[[Made], Chromium]
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


def test_any_axes_are_rows_and_columns(page: Chromium) -> None:
    assert texts(page, "#grid tbody th strong") == [f"Cell {n}" for n in range(6)]
    assert texts(page, "#grid thead th") == ["a red circle", "синий квадрат"]
    pick(page, "#grid-layout", "Rows", "decoder.steps")
    pick(page, "#grid-layout", "Columns", "seed")
    assert texts(page, "#grid tbody th") == [f"decoder.steps={n}" for n in (5, 10, 50)]
    assert texts(page, "#grid thead th") == ["seed 0", "seed 1"]
    # Two schedulers and two prompts share a place, and say which they are.
    assert captions(page)[:4] == [
        f"{scheduler} · {prompt}"
        for scheduler in ("scheduler=ddim", "scheduler=ddpm")
        for prompt in ("a red circle", "синий квадрат")
    ]
    assert sorted(tiles(page)) == list(range(24))


def test_an_axis_that_is_taken_changes_places_with_the_other(page: Chromium) -> None:
    pick(page, "#grid-layout", "Rows", "prompt")
    assert texts(page, "#grid tbody th") == ["a red circle", "синий квадрат"]
    assert texts(page, "#grid thead th strong") == [f"Cell {n}" for n in range(6)]


def test_what_is_chosen_is_what_is_shown(page: Chromium) -> None:
    pick(page, "#grid-only", "scheduler", "ddpm")
    pick(page, "#grid-only", "seed", "1")
    assert tiles(page) == [13, 15, 17, 19, 21, 23]
    assert texts(page, "#grid-count") == ["6 of 24 pictures"]
    page.click("#grid-only button")
    assert len(tiles(page)) == 24
    assert texts(page, "#grid-count") == ["24 pictures"]


def test_numbers_stand_below_pictures(page: Chromium) -> None:
    pick(page, "#grid-layout", "Below", "ssim")
    assert captions(page)[:4] == ["seed 0", "0.5000", "seed 1", "0.5100"]


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


def column(page: Chromium, place: int) -> list[str]:
    return texts(page, f"#cells-table tbody tr > :nth-child({place + 1})")


def test_columns_sort_up_and_down(page: Chromium) -> None:
    assert column(page, 2) == ["5", "10", "50", "5", "10", "50"]
    heads = "[...document.querySelectorAll('#cells-table th[aria-sort]')].map(e => e.ariaSort)"
    page.click("#cells-table th button", place=2)
    assert column(page, 2) == ["5", "5", "10", "10", "50", "50"]
    assert page.js(heads)[:4] == ["none", "none", "ascending", "none"]
    page.key("Enter")  # the focus stayed on the header
    assert column(page, 2) == ["50", "50", "10", "10", "5", "5"]
    assert page.js(heads)[2] == "descending"
    page.click("#cells-table th button", place=5)
    assert column(page, 5) == [f"{0.515 + 0.05 * n:.4f}" for n in range(6)]


def test_what_is_not_known_is_last_in_both_directions(page_of: PageOf) -> None:
    page = page_of(Made(lacking=(0, 3)))
    for _ in ("up", "down"):
        page.click("#cells-table th button", place=5)
        assert column(page, 5)[-2:] == ["–", "–"]
        assert "–" not in column(page, 5)[:4]


def test_words_filter_cells(page: Chromium) -> None:
    page.click("#filter")
    page.type("DDPM 50")
    assert column(page, 0) == ["5"]
    assert texts(page, "#cells-count") == ["1 of 6 cells"]
    page.type(" nothing")
    assert column(page, 0) == []


def test_a_row_shows_its_pictures(page: Chromium) -> None:
    page.click("#cells-table tbody tr td:nth-child(3)", place=4)
    assert tiles(page) == [16, 17, 18, 19]
    page.click("#grid-only button")
    page.js("document.querySelectorAll('#cells-table tbody button')[1].focus()")
    page.key("Enter")
    assert tiles(page) == [4, 5, 6, 7]


def test_the_best_mean_stands_out_where_there_is_a_better(page: Chromium) -> None:
    rows = page.js("[...document.querySelectorAll('#cells-table tbody tr')].map(r =>"
                   "[...r.querySelectorAll('td strong')].map(e => e.textContent))")  # fmt: skip
    # The quickest two are equal; the best of ssim is the last; neither end of warmth is the better.
    assert rows == [["0.515"], [], [], ["0.515"], [], ["0.7650"]]


def test_quality_against_seconds_with_its_front(page: Chromium) -> None:
    marks = page.js("[...document.querySelectorAll('#cost .mark')].map(m => m.ariaLabel)")
    assert len(marks) == 6
    front = [said.split(":")[0] for said in marks if "Pareto front" in said]
    # Cells 0 and 3 are the quickest, 2 and 5 the slowest; in each pair the later is the better.
    assert front == ["cell 3", "cell 4", "cell 5"]
    page.js("document.querySelector('#cost .mark').focus()")
    assert "cell 0: scheduler=ddim decoder.steps=5" in texts(page, "#cost .point")[0]
    page.key("ArrowRight")
    assert "cell 1" in texts(page, "#cost .point")[0]
    page.key("Enter")
    assert tiles(page) == [4, 5, 6, 7]


def test_a_number_without_a_better_has_no_front(page: Chromium) -> None:
    pick(page, "#cost", "Quality", "warmth")
    assert page.js("document.querySelectorAll('#cost .mark circle.best').length") == 0
    assert "there is no front" in texts(page, "#cost .hint")[0]


def test_a_number_along_an_axis(page: Chromium) -> None:
    said = "[...document.querySelectorAll('#lines .mark')].map(m => m.ariaLabel)"
    assert len(page.js(said)) == 6
    assert page.js("document.querySelectorAll('#lines polyline').length") == 2
    assert page.js(said)[1] == "scheduler=ddim, decoder.steps=10: ssim 0.5650, mean of 4 images"
    pick(page, "#lines", "A line each", "all together")
    assert page.js("document.querySelectorAll('#lines polyline').length") == 1
    assert page.js(said)[0] == "decoder.steps=5: ssim 0.5900, mean of 8 images"
    pick(page, "#lines", "A line each", "prompt")
    assert texts(page, "#lines .legend li") == ["a red circle", "синий квадрат"]


def compared(page: Chromium, place: int) -> list[list[str]]:
    """Cells of a metric's table, by rows; that of the drawing is empty."""
    found: list[list[str]] = page.js(
        f"[...document.querySelectorAll('#comparison table')[{place}].tBodies[0].rows]"
        ".map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return found


def test_a_comparison_is_shown(page: Chromium) -> None:
    titles = ["ssim ↑ higher is better", "seconds ↓ lower is better", "warmth"]
    assert texts(page, "#comparison h3") == titles
    rows = compared(page, 0)
    assert [row[:2] + row[-1:] for row in rows] == [
        ["ddim", "5", "worse"], ["ddim", "50", "baseline"],
        ["ddpm", "5", "better"], ["ddpm", "10", "too few pairs"],
    ]  # fmt: skip
    assert rows[0][2:8] == [
        "4", "0.6000", "0.5000 to 0.7000", "4", "−0.02000", "−0.04000 to −0.00300",
    ]  # fmt: skip
    ends = page.js("[...document.querySelectorAll('#comparison .whisker')].slice(0, 2).map("
                   "e => [e.x1.baseVal.value, e.x2.baseVal.value])")  # fmt: skip
    zero = page.js("document.querySelector('#comparison .zero').x1.baseVal.value")
    assert ends[0][0] < ends[0][1] < zero < ends[1][0] < ends[1][1]


def test_without_pairs_the_means_are_compared(page: Chromium) -> None:
    assert texts(page, "#comparison .scroll:last-child thead th") == [
        "scheduler", "decoder.steps", "images", "mean", "95% interval",
    ]  # fmt: skip
    assert compared(page, 2)[0] == ["ddim", "5", "4", "0.6000", "0.5000 to 0.7000", ""]
    assert (
        page.js("document.querySelectorAll('#comparison .scroll:last-child .whisker').length") == 2
    )


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
