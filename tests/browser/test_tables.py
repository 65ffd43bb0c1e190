"""Cells, plots, comparisons and votes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

from browser.looks import (
    column,
    pick,
    show,
    texts,
    tiles,
)
from helpers.made_sweeps import HOSTILE, Made, comparison, write_sweep
from runner.analysis.comparison.findings import Verdict
from runner.analysis.report.compared import FILE
from runner.analysis.report.writing import write_report
from runner.analysis.votes.findings import Agreement, Judged, Question, VoteRow

pytestmark = pytest.mark.slow

PageOf = Callable[[Made], Page]


def test_columns_sort_up_and_down(page: Page) -> None:
    assert column(page, 2) == ["5", "10", "50", "5", "10", "50"]
    heads = "[...document.querySelectorAll('#cells-table th[aria-sort]')].map(e => e.ariaSort)"
    page.locator("#cells-table th button").nth(2).click()
    assert column(page, 2) == ["5", "5", "10", "10", "50", "50"]
    assert page.evaluate(heads)[:4] == ["none", "none", "ascending", "none"]
    page.keyboard.press("Enter")  # the focus stayed on the header
    assert column(page, 2) == ["50", "50", "10", "10", "5", "5"]
    assert page.evaluate(heads)[2] == "descending"
    page.locator("#cells-table th button").nth(5).click()
    assert column(page, 5) == [f"{0.515 + 0.05 * n:.4f}" for n in range(6)]


def test_what_is_not_known_is_last_in_both_directions(page_of: PageOf) -> None:
    page = page_of(Made(lacking=(0, 3)))
    for _ in ("up", "down"):
        page.locator("#cells-table th button").nth(5).click()
        assert column(page, 5)[-2:] == ["–", "–"]
        assert "–" not in column(page, 5)[:4]


def test_words_filter_cells(page: Page) -> None:
    page.click("#filter")
    page.keyboard.insert_text("DDPM 50")
    assert column(page, 0) == ["5"]
    assert texts(page, "#cells-count") == ["1 of 6 cells"]
    page.keyboard.insert_text(" nothing")
    assert column(page, 0) == []


def test_a_row_shows_its_pictures(page: Page) -> None:
    page.locator("#cells-table tbody tr td:nth-child(3)").nth(4).click()
    assert tiles(page) == [16, 17, 18, 19]
    page.click("#grid-only button")
    page.locator("#cells-table tbody button").nth(1).focus()
    page.keyboard.press("Enter")
    assert tiles(page) == [4, 5, 6, 7]


def test_the_best_mean_stands_out_where_there_is_a_better(page: Page) -> None:
    rows = page.evaluate("[...document.querySelectorAll('#cells-table tbody tr')].map(r =>"
                   "[...r.querySelectorAll('td strong')].map(e => e.textContent))")  # fmt: skip
    # The quickest two are equal; the best of ssim is the last; neither end of warmth is the better.
    assert rows == [["0.515"], [], [], ["0.515"], [], ["0.7650"]]


def test_seconds_that_were_not_measured_are_not_shown_as_such(page_of: PageOf) -> None:
    page = page_of(Made(timing=None))
    (said,) = texts(page, "#unmeasured")
    assert said.startswith("Seconds per image: not measured: ")
    assert page.locator("#cost").is_hidden()
    assert not any("seconds" in text for text in texts(page, "#cells-table th"))


def test_quality_against_seconds_with_its_front(page: Page) -> None:
    marks = page.evaluate("[...document.querySelectorAll('#cost .mark')].map(m => m.ariaLabel)")
    assert len(marks) == 6
    front = [said.split(":")[0] for said in marks if "Pareto front" in said]
    # Cells 0 and 3 are the quickest, 2 and 5 the slowest; in each pair the later is the better.
    assert front == ["cell 3", "cell 4", "cell 5"]
    page.focus("#cost .mark")
    assert "cell 0: scheduler=ddim decoder.steps=5" in texts(page, "#cost .point")[0]
    page.keyboard.press("ArrowRight")
    assert "cell 1" in texts(page, "#cost .point")[0]
    page.keyboard.press("Enter")
    assert tiles(page) == [4, 5, 6, 7]


def test_a_number_without_a_better_has_no_front(page: Page) -> None:
    pick(page, "#cost", "Quality", "warmth")
    assert page.locator("#cost .mark circle.best").count() == 0
    assert "there is no front" in texts(page, "#cost .hint")[0]


def test_a_number_along_an_axis(page: Page) -> None:
    said = "[...document.querySelectorAll('#lines .mark')].map(m => m.ariaLabel)"
    assert len(page.evaluate(said)) == 6
    assert page.locator("#lines polyline").count() == 2
    # The means of its prompts are 0.555 and 0.575.
    second = (
        "scheduler=ddim, decoder.steps=10: ssim 0.5650 ± 0.0100 (standard error over 2 prompts), "
        "mean of 4 images"
    )
    assert page.evaluate(said)[1] == second
    assert page.locator("#lines .spread").count() == 3 * 6
    pick(page, "#lines", "A line each", "all together")
    assert page.locator("#lines polyline").count() == 1
    assert page.evaluate(said)[0] == (
        "decoder.steps=5: ssim 0.5900 ± 0.0100 (standard error over 2 prompts), mean of 8 images"
    )
    pick(page, "#lines", "A line each", "prompt")
    # Of one prompt it is that of the images: 0.5, 0.51, 0.65 and 0.66.
    error = np.std([0.5, 0.51, 0.65, 0.66], ddof=1) / 2
    assert f"ssim 0.5800 ± {error:.4f} (standard error over 4 images)" in page.evaluate(said)[0]
    assert texts(page, "#lines .legend li") == ["a red circle", "синий квадрат"]


def compared(page: Page, place: int) -> list[list[str]]:
    """Cells of a metric's table, by rows; that of the drawing is empty."""
    found: list[list[str]] = page.evaluate(
        f"[...document.querySelectorAll('#comparison table')[{place}].tBodies[0].rows]"
        ".map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return found


def test_a_comparison_is_shown(page: Page) -> None:
    titles = ["ssim ↑ higher is better", "seconds ↓ lower is better", "warmth"]
    assert texts(page, "#comparison h3") == titles
    assert texts(page, "#comparison .outdated") == []
    rows = compared(page, 0)
    assert [row[:2] + row[-1:] for row in rows] == [
        ["ddim", "5", "worse"], ["ddim", "50", "baseline"],
        ["ddpm", "5", "better"], ["ddpm", "10", "too few pairs"],
    ]  # fmt: skip
    assert rows[0][2:8] == [
        "4", "0.6000", "0.5000 to 0.7000", "4", "−0.02000", "−0.04000 to −0.00300",
    ]  # fmt: skip
    ends = page.evaluate("[...document.querySelectorAll('#comparison .whisker')].slice(0, 2).map("
                   "e => [e.x1.baseVal.value, e.x2.baseVal.value])")  # fmt: skip
    zero = page.evaluate("document.querySelector('#comparison .zero').x1.baseVal.value")
    assert ends[0][0] < ends[0][1] < zero < ends[1][0] < ends[1][1]


def test_without_pairs_the_means_are_compared(page: Page) -> None:
    assert texts(page, "#comparison .scroll:last-child thead th") == [
        "scheduler", "decoder.steps", "images", "mean", "95% interval",
    ]  # fmt: skip
    assert compared(page, 2)[0] == ["ddim", "5", "4", "0.6000", "0.5000 to 0.7000", ""]
    assert page.locator("#comparison .scroll:last-child .whisker").count() == 2


def test_votes_are_shown(tab: Page, tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "sweep", Made()).resolve()
    choices = [{"scheduler": name, "<b>": "1"} for name in ("ddim", "ddpm", "lcm")]
    rows = (
        VoteRow(choices[0], 2, 1, 30, 0.0, None, None, 0.5, Verdict.baseline),
        VoteRow(choices[1], 30, 1, 2, 2.5, 1.25, None, 0.92, Verdict.better),
        VoteRow(choices[2], 0, 0, 0, None, None, None, None, Verdict.none),
    )
    agreement = Agreement(0, None, None, None, None, None)
    asked = Question(HOSTILE, 33, 1, 33, rows, agreement, ("33 blind votes.", "Read so."))
    judged = Judged("made", "", ("scheduler", "<b>"), choices[0], 0.95, ("1 vote not",), (asked,))
    (folder / "comparison").mkdir()
    (folder / "comparison" / "votes.json").write_text(judged.as_json(), encoding="utf-8")
    show(tab, write_report(folder).index)
    assert "Votes" in texts(tab, "nav a")
    assert texts(tab, "#votes h3") == [HOSTILE]
    assert texts(tab, "#votes thead th") == [
        "scheduler", "<b>", "won", "tied", "lost", "strength", "95% interval", "preferred",
        "verdict",
    ]  # fmt: skip
    assert texts(tab, "#votes tbody tr:nth-child(2) td") == [
        "ddpm", "1", "30", "1", "2", "+2.50", "above +1.25", "", "0.92", "better",
    ]  # fmt: skip
    assert texts(tab, "#votes tbody tr:nth-child(3) td")[5:] == ["–", "–", "", "–", "–"]
    assert tab.locator("#votes .whisker").count() == 1
    assert "kandinsky compare counts anew" in texts(tab, "#votes .outdated")[0]


def test_a_comparison_of_other_pictures_says_so(tab: Page, tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "sweep", Made())
    (folder / FILE).parent.mkdir()
    (folder / FILE).write_text(json.dumps(comparison("of another time")), encoding="utf-8")
    show(tab, write_report(folder).index)
    assert texts(tab, "#comparison .outdated") == [
        "Pictures or numbers changed after this comparison: kandinsky compare makes it anew."
    ]
