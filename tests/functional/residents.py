"""Runs plans and commands where workers stay, and sees which do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from functional.made import STEPS
from helpers.plans import plan
from runner.engine.observer import Loaded, NodeResult, Observer
from runner.graph.node import Node
from runner.runs.execute import execute_plans
from runner.workers.residence import Resident
from runner.workers.residence_folder import open_residence, opened_residence, residence_path
from runner.workers.takeover import have_leave
from tracking.processes import wait_until


@dataclass
class Seen(Observer):
    """What a command's observers are told.

    Attributes:
        on_decode: called when a decode begins, until it returns true.
    """

    how: str = ""
    on_decode: Callable[[], object] | None = None
    pixels: dict[str, bytes] = field(default_factory=dict)
    read_back: list[Any] = field(default_factory=list)
    first_calls: list[tuple[str, bool]] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)

    def workers_begun(self, workers: int, how: str) -> None:
        self.how = how

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self.read_back.append((loaded.spec, loaded.readback))

    def node_started(self, node: Node) -> None:
        if node.stage == "decode" and self.on_decode is not None and self.on_decode():
            self.on_decode = None

    def node_finished(self, result: NodeResult) -> None:
        if not result.reused and result.node.pipeline is not None:
            self.first_calls.append((result.node.stage, result.ran.first_call))
            self.peaks.append(result.ran.peak_memory_bytes or 0)
        if isinstance(picture := result.value, Image.Image):
            self.pixels[result.node.key] = picture.tobytes()


def run(
    weights: Path,
    folder: Path,
    *overrides: str,
    keep: str = "off",
    on_decode: Callable[[], object] | None = None,
) -> Seen:
    """Draw anew, as a command would."""
    given = (f"weights={weights}", "tracking=none", "cache=off", f"output_dir={folder}", *STEPS)
    made = plan(*given, f"workers.keep={keep}", *overrides)
    seen = Seen(on_decode=on_decode)
    outcome = execute_plans([made], [seen])
    assert outcome.succeeded, outcome.failed
    return seen


def fresh(alone: Path, weights: Path, folder: Path, *overrides: str) -> Seen:
    """The same in a process of its own. `alone`: a folder in which no worker stays."""
    before = os.environ["KANDINSKY_CACHE"]
    os.environ["KANDINSKY_CACHE"] = str(alone)
    try:
        return run(weights, folder, *overrides)
    finally:
        os.environ["KANDINSKY_CACHE"] = before


def there() -> list[Resident]:
    """The workers that stay."""
    with opened_residence() as residence:
        return residence.residents() if residence is not None else []


def only() -> Resident:
    """The one that stays, once it waits for a command."""
    wait_until(lambda: [one.until is not None for one in there()] == [True], 60)
    (one,) = there()
    return one


def stop_all() -> None:
    """Have all leave, and see that they do."""
    with opened_residence() as residence:
        if residence is not None:
            have_leave(residence, residence.residents())
    wait_until(lambda: not there(), 60)


@contextmanager
def home(folder: Path) -> Iterator[Path]:
    """A place of its own where workers stay; they all leave at its end. Gives its folder."""
    before = os.environ["KANDINSKY_CACHE"]
    os.environ["KANDINSKY_CACHE"] = str(folder)
    try:
        residence = open_residence(create=True)
        assert residence is not None
        residence.close()
        yield residence_path()
    finally:
        stop_all()
        os.environ["KANDINSKY_CACHE"] = before
