"""Comparisons within strata on the page, as `kandinsky compare --within` left them."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page

from browser.looks import show, texts
from helpers.made_sweeps import HOSTILE, Made, write_sweep
from runner.analysis.reading import read_results
from runner.analysis.report.writing import write_report
from runner.cli import main
from runner.recording.manifest import Manifest

pytestmark = pytest.mark.slow

STRATA = "decoder.steps"
MADE = Made(
    axes={"scheduler": ("ddim", "ddpm"), "decoder.steps": ("5", HOSTILE)},
    prompts=("a red circle", "a blue square", HOSTILE),
    seeds=(0, 1, 2),
)
ROWS = (
    "[...document.querySelectorAll('#within table')[0].tBodies[0].rows]"
    ".map(row => [...row.cells].map(cell => cell.textContent))"
)


@pytest.fixture
def swept(tmp_path: Path) -> Path:
    """A sweep that was compared within its numbers of steps."""
    folder = write_sweep(tmp_path / "sweep", MADE)
    asked = ["compare", str(folder), "--by", "scheduler", "--baseline", "ddim", "--within", STRATA]
    assert main([*asked, "--metrics", "ssim"]) == 0
    return folder


def test_the_page_has_the_differences_by_stratum(tab: Page, swept: Path) -> None:
    show(tab, write_report(swept).index)
    assert texts(tab, "#within h3")[0] == "scheduler within decoder.steps"
    assert texts(tab, "#within .outdated") == []
    rows = tab.evaluate(ROWS)
    results = read_results(swept)
    ddim_1, ddim_2, ddpm_1, ddpm_2 = (
        sum(image.scores["ssim"] for image in cell.images) / 9 for cell in results.cells
    )
    assert [row[:3] for row in rows] == [
        ["5", "ddpm", "9"], [HOSTILE, "ddpm", "9"], ["all", "ddpm", "18"],
    ]  # fmt: skip
    means = [ddpm_1 - ddim_1, ddpm_2 - ddim_2, (ddpm_1 - ddim_1 + ddpm_2 - ddim_2) / 2]
    shown = [float(row[3].replace("−", "-")) for row in rows]
    assert shown == pytest.approx(means, abs=5e-4)
    assert tab.locator("#within .whiskers circle").count() >= 3
    assert any("depend on the stratum?" in text for text in texts(tab, "#within .hint"))
    assert "Within strata" in texts(tab, "#contents a")


def test_one_of_other_pictures_says_so(tab: Page, swept: Path) -> None:
    manifest = Manifest.read(swept / "0001_cell")
    scored = [replace(image, scores={"ssim": 0.9}) for image in manifest.images]
    replace(manifest, images=scored).write(swept / "0001_cell")
    show(tab, write_report(swept).index)
    (said,) = texts(tab, "#within .outdated")
    assert said.startswith("Pictures or numbers changed after this comparison: kandinsky compare ")
    # As it was asked, so that it can be copied.
    command = said.partition("kandinsky compare FOLDER ")[2].removesuffix(" makes it anew.")
    (within,) = swept.glob("comparison-*/within.json")
    before = json.loads(within.read_text())
    assert main(["compare", str(swept), *shlex.split(command)]) == 0
    after = json.loads(within.read_text())
    assert before.pop("of") != after.pop("of")
    assert [before[key] for key in ("by", "within", "baseline")] == [
        after[key] for key in ("by", "within", "baseline")
    ]


def test_a_telephone_scrolls_the_table_and_not_the_page(tab: Page, swept: Path) -> None:
    tab.set_viewport_size({"width": 390, "height": 800})
    show(tab, write_report(swept).index)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
