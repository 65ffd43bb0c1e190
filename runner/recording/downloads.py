"""Displays of a download: bars on a terminal, lines in a pipe, JSON, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from runner.config.choices import Progress
from runner.recording.display import settle_progress, write_event
from runner.system.terminal import clean, clean_proxies, for_rich
from runner.system.text import format_bytes

WAIT_TOLD_AGAIN = 30.0
"""Seconds."""


class QuietDownload:
    """Shows nothing; also what a display knows of the download."""

    every = 0.0
    """Seconds between two reports."""

    def __init__(self) -> None:
        self._total: Mapping[str, int] = {}
        self._began = self._told = 0.0
        self._at_first: int | None = None
        self._waited_for = ("", 0.0)

    def started(self, total: Mapping[str, int]) -> None:
        """Repository -> bytes that it needs."""
        self._total, self._began = total, time.monotonic()

    def progressed(self, there: Mapping[str, int]) -> None:
        """Repository -> bytes that are there."""
        now, done, total = time.monotonic(), sum(there.values()), sum(self._total.values())
        if self._at_first is None:
            # What an earlier download left is no part of the rate.
            self._at_first = done
        elif now - self._told < self.every and done < total:
            return
        self._told = now
        rate = (done - self._at_first) / max(now - self._began, 0.1)
        self._show(there, rate, (total - done) / rate if rate else None)

    def waits(self, why: str) -> None:
        """The hub is busy or gone. Told again only after some time."""
        last, when = self._waited_for
        if why != last or time.monotonic() - when > WAIT_TOLD_AGAIN:
            self._waited_for = why, time.monotonic()
            self._tell_waiting(why)

    def _tell_waiting(self, why: str) -> None:
        """Not shown."""

    def converts(self, file: str) -> None:
        """Pickled weights are kept as safetensors."""

    def makes(self, folder: str, repo: str) -> None:
        """A folder is made of files in another layout."""

    def ended(self) -> None:
        """All is there, or it failed."""

    def _show(self, there: Mapping[str, int], rate: float, left: float | None) -> None:
        """Show bytes per second, and the seconds that are left."""

    def _current(self, there: Mapping[str, int]) -> str:
        """The repository that is fetched now."""
        behind = (repo for repo, total in self._total.items() if there.get(repo, 0) < total)
        return next(behind, list(self._total)[-1])


class DownloadLines(QuietDownload):
    """A line on stderr every few seconds."""

    every = 5.0

    def started(self, total: Mapping[str, int]) -> None:
        super().started(total)
        for repo, size in total.items():
            _say(f"downloading {repo}: {format_bytes(size)}")

    def _tell_waiting(self, why: str) -> None:
        _say(why)

    def converts(self, file: str) -> None:
        _say_converts(file)

    def makes(self, folder: str, repo: str) -> None:
        _say(f"converting {repo}, once, into {folder}")

    def _show(self, there: Mapping[str, int], rate: float, left: float | None) -> None:
        done, total = sum(there.values()), sum(self._total.values())
        ends = "" if left is None else f", {left:.0f} s left"
        _say(
            f"{self._current(there)}: {format_bytes(done)} of {format_bytes(total)}, "
            f"{format_bytes(int(rate))}/s{ends}"
        )


class DownloadEvents(QuietDownload):
    """A line of JSON on stdout every second."""

    every = 1.0

    def started(self, total: Mapping[str, int]) -> None:
        super().started(total)
        self._write("download_started", bytes=dict(total))

    def _tell_waiting(self, why: str) -> None:
        self._write("download_waits", why=why)

    def converts(self, file: str) -> None:
        self._write("weights_converted", file=file)

    def makes(self, folder: str, repo: str) -> None:
        self._write("folder_converted", repo=repo, folder=folder)

    def ended(self) -> None:
        self._write("download_ended")

    def _show(self, there: Mapping[str, int], rate: float, left: float | None) -> None:
        self._write(
            "download", repo=self._current(there), bytes=sum(there.values()),
            total=sum(self._total.values()), bytes_per_second=round(rate), seconds_left=left,
        )  # fmt: skip

    _write = staticmethod(write_event)


class DownloadBars(QuietDownload):
    """A bar on stderr for each repository."""

    def __init__(self) -> None:
        super().__init__()
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}

    def started(self, total: Mapping[str, int]) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        super().started(total)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(),
            TransferSpeedColumn(), TimeRemainingColumn(),
            console=Console(file=for_rich(sys.stderr)),
        )  # fmt: skip
        self._tasks = {
            repo: self._bars.add_task(clean(repo), total=size) for repo, size in total.items()
        }
        self._bars.start()
        clean_proxies()

    def _tell_waiting(self, why: str) -> None:
        self._bars.console.print(clean(why), markup=False, highlight=False)

    def converts(self, file: str) -> None:
        _say_converts(file)

    def makes(self, folder: str, repo: str) -> None:
        _say(f"converting {repo}, once, into {folder}")

    def ended(self) -> None:
        self._bars.stop()

    def _show(self, there: Mapping[str, int], rate: float, left: float | None) -> None:
        for repo, done in there.items():
            self._bars.update(self._tasks[repo], completed=done)


KINDS = {
    Progress.bars: DownloadBars,
    Progress.lines: DownloadLines,
    Progress.json: DownloadEvents,
    Progress.quiet: QuietDownload,
}


def download_display(progress: Progress) -> QuietDownload:
    """The display that the config asks for. `auto` looks whether stderr is a terminal."""
    return KINDS[settle_progress(progress)]()


def _say_converts(file: str) -> None:
    _say(f"keeping {file} as safetensors, by torch's restricted loader")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
