"""A browser for all tests of a module, and pages to open in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from browser.chromium import NAMES, Chromium, find_chromium
from helpers.made_sweeps import Made, comparison, write_sweep
from runner.analysis.report.compared import FILE
from runner.analysis.report.writing import Report, write_report
from runner.analysis.results import read_results

WIDTH, HEIGHT = 1200, 900


@pytest.fixture(scope="module")
def _browser() -> Iterator[Chromium]:
    program = find_chromium()
    if program is None:
        pytest.skip(f"no Chromium on PATH (looked for {', '.join(NAMES)})")
    with Chromium(program) as chromium:
        yield chromium


@pytest.fixture
def browser(_browser: Chromium) -> Iterator[Chromium]:
    """A browser. At the test's end: no error was told, and nothing but files was asked for."""
    _browser.problems.clear()
    _browser.requests.clear()
    _browser.resize(WIDTH, HEIGHT)
    _browser.dark(False)
    yield _browser
    _browser.js("0")  # whatever is on its way is here by now
    assert _browser.problems == []
    assert {url.partition(":")[0] for url in _browser.requests} <= {"file", "data"}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Two schedulers by three steps, two prompts and two seeds each, and a comparison."""
    folder = write_sweep(
        tmp_path_factory.mktemp("browser") / "sweep", Made(baseline="decoder.steps=50")
    )
    (folder / FILE).parent.mkdir()
    compared = comparison(of=read_results(folder).digest)
    (folder / FILE).write_text(json.dumps(compared), encoding="utf-8")
    return write_report(folder)


@pytest.fixture
def page(browser: Chromium, report: Report) -> Chromium:
    """The browser, with that page open."""
    browser.open(report.index)
    return browser


@pytest.fixture
def page_of(browser: Chromium, tmp_path: Path) -> Callable[[Made], Chromium]:
    """Opens the page of a sweep of another kind."""

    def opened(made: Made) -> Chromium:
        browser.open(write_report(write_sweep(tmp_path / "sweep", made)).index)
        return browser

    return opened
