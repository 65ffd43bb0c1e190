"""A browser for all these tests, and pages to open in it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, expect, sync_playwright

from browser.looks import show
from helpers.made_sweeps import Made, comparison, write_sweep
from runner.analysis.reading import read_results
from runner.analysis.report.compared import FILE
from runner.analysis.report.writing import Report, write_report

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60_000
"""Milliseconds for whatever the page is waited for: other programs may keep the cores busy."""

NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
"""What the browser asks the network for itself goes nowhere; a test may serve a page here."""

FILES = ("file:", "data:")


@dataclass
class Events:
    """What happened in a tab.

    Attributes:
        problems: what the console, exceptions and the security policy said.
        requests: every address that was asked for, but for `data:`.
        allowed: how those begin that may be asked for.
    """

    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    allowed: tuple[str, ...] = FILES

    def check(self, tab: Page) -> None:
        """No error was told, and nothing else was asked for."""
        tab.evaluate("0")  # whatever is on its way is here by now
        assert self.problems == []
        assert [url for url in self.requests if not url.startswith(self.allowed)] == []

    def listen(self, tab: Page) -> None:
        tab.on("console", self._said)
        tab.on("pageerror", lambda error: self.problems.append(str(error)))
        tab.on("dialog", self._asked)
        tab.on("request", lambda request: self.requests.append(request.url))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self.problems.append(message.text)

    def _asked(self, dialog: Dialog) -> None:
        self.problems.append(f"a dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture(scope="package")
def _opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, Events]]:
    """One tab for all tests: a new one for each would cost a process and a fifth of a second."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no Chromium on PATH (looked for {', '.join(NAMES)})")
    home = str(tmp_path_factory.mktemp("home"))  # nothing is left anywhere else
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=[NOWHERE],  # beside Playwright's own: without a sandbox, it may run as root
            ignore_default_args=["--hide-scrollbars"],  # a page has to do with them
            env={**os.environ, "HOME": home},
        )
        tab = browser.new_page()
        tab.set_default_timeout(PATIENCE)
        events = Events()
        events.listen(tab)
        yield tab, events


@pytest.fixture
def browser(_opened: tuple[Page, Events]) -> Browser:
    """The browser, for a tab of a test's own."""
    found = _opened[0].context.browser
    assert found is not None
    return found


@pytest.fixture
def events(_opened: tuple[Page, Events]) -> Events:
    """What happens in the test's tab."""
    return _opened[1]


@pytest.fixture
def tab(_opened: tuple[Page, Events], events: Events) -> Iterator[Page]:
    """A tab. At the test's end: no error was told, and nothing but files was asked for."""
    tab, _ = _opened
    events.problems.clear()
    events.requests.clear()
    events.allowed = FILES
    tab.set_viewport_size({"width": 1200, "height": 900})
    tab.emulate_media(color_scheme="light")
    yield tab
    events.check(tab)


@pytest.fixture(scope="package")
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
def page(tab: Page, report: Report) -> Page:
    """A tab with that page open."""
    show(tab, report.index)
    return tab


@pytest.fixture
def page_of(tab: Page, tmp_path: Path) -> Callable[[Made], Page]:
    """Opens the page of a sweep of another kind."""

    def opened(made: Made) -> Page:
        show(tab, write_report(write_sweep(tmp_path / "sweep", made)).index)
        return tab

    return opened
