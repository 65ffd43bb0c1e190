"""The grid of a page's pictures, by any axes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page

from browser.looks import (
    captions,
    pick,
    show,
    texts,
    tiles,
)
from helpers.made_sweeps import Made, write_run, write_sweep
from runner.analysis.report.writing import write_report
from runner.recording.manifest import Manifest

pytestmark = pytest.mark.slow

PageOf = Callable[[Made], Page]


def test_any_axes_are_rows_and_columns(page: Page) -> None:
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


def test_an_axis_that_is_taken_changes_places_with_the_other(page: Page) -> None:
    pick(page, "#grid-layout", "Rows", "prompt")
    assert texts(page, "#grid tbody th") == ["a red circle", "синий квадрат"]
    assert texts(page, "#grid thead th strong") == [f"Cell {n}" for n in range(6)]


def test_what_is_chosen_is_what_is_shown(page: Page) -> None:
    pick(page, "#grid-only", "scheduler", "ddpm")
    pick(page, "#grid-only", "seed", "1")
    assert tiles(page) == [13, 15, 17, 19, 21, 23]
    assert texts(page, "#grid-count") == ["6 of 24 pictures"]
    page.click("#grid-only button")
    assert len(tiles(page)) == 24
    assert texts(page, "#grid-count") == ["24 pictures"]


def test_numbers_stand_below_pictures(page: Page) -> None:
    pick(page, "#grid-layout", "Below", "ssim")
    assert captions(page)[:4] == ["seed 0", "0.5000", "seed 1", "0.5100"]


def test_a_single_picture_is_shown_without_rows_and_columns(tab: Page, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", Made(prompts=("a red circle",), seeds=(0,)))
    show(tab, write_report(run).index)
    assert tiles(tab) == [0]
    assert tab.locator("#grid th").count() == 0


def test_prompts_and_seeds_that_are_axes_are_said_once(tab: Page, tmp_path: Path) -> None:
    axes = {"prompt": ("a red circle", "синий квадрат"), "seeds": ("0", "1")}
    folder = write_sweep(tmp_path / "sweep", Made(axes))
    for cell, own in zip(sorted(folder.glob("*_cell")), itertools.product(*axes.values()),
                         strict=True):  # fmt: skip
        manifest = Manifest.read(cell)
        images = [one for one in manifest.images if (one.prompt, str(one.seed)) == own]
        replace(manifest, images=images).write(cell)
    show(tab, write_report(folder).index)
    assert texts(tab, "#grid tbody th") == list(axes["prompt"])
    assert texts(tab, "#grid thead th") == ["seed 0", "seed 1"]
    assert captions(tab) == []
    pick(tab, "#grid-layout", "Columns", "nothing")
    assert captions(tab) == ["seed 0", "seed 1"] * 2
    pick(tab, "#grid-layout", "Rows", "cell")
    said = tab.locator("#grid tbody th b").all_text_contents()
    assert said == [one for own in itertools.product(*axes.values()) for one in own]
    assert captions(tab) == []
