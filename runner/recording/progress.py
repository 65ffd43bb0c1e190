"""What is shown while a run or a sweep goes on: live bars on a terminal, lines in a pipe, JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from runner.config.choices import Progress
from runner.engine.observer import Loaded, NodeResult, Observer
from runner.errors import RunnerError
from runner.graph.graph import Node

if TYPE_CHECKING:
    from rich.progress import TaskID


@dataclass(frozen=True)
class CellEnded:
    """A cell of a sweep is over: the `done`-th of `of`; `images`: how many it made."""

    number: int
    label: str
    status: str
    images: int
    done: int
    of: int


class Display(Observer):
    """Shows what happens. Subclasses show what they can."""

    def message(self, text: str) -> None:
        """A line of text."""

    def workers_begun(self, workers: int, how: str) -> None:
        if not how.startswith("1 worker "):  # as ever
            self.message(how)

    def cell_ended(self, cell: CellEnded) -> None:
        """A cell of a sweep is over."""


def display_for(progress: Progress, cells: int = 0) -> Lines | CellLines | Bars | Quiet | Json:
    """The display that the config asks for. `auto` looks whether stderr is a terminal.

    Args:
        cells: of a sweep, how many are to be run.
    """
    if progress is Progress.auto:
        progress = Progress.bars if sys.stderr.isatty() else Progress.lines
    if progress is Progress.bars:
        return Bars(cells)
    if progress is Progress.json:
        return Json()
    if progress is Progress.lines:
        return CellLines() if cells else Lines()
    return Quiet()


class Quiet(Display):
    """Shows nothing but failures."""

    def __enter__(self) -> Quiet:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def message(self, text: str) -> None:
        """Not shown."""

    def memory_relieved(self, node: Node, how: str) -> None:
        print(f"{node.stage}: {how}", file=sys.stderr, flush=True)

    def node_failed(self, node: Node, error: RunnerError) -> None:
        print(f"failed: {error}", file=sys.stderr, flush=True)


class Lines(Quiet):
    """One line for each thing that happened, on stderr."""

    def __init__(self) -> None:
        self._nodes = 0
        self._done = 0

    def graph_started(self, nodes: int) -> None:
        self._nodes = nodes

    def message(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self.message(loaded_text(loaded))

    def node_finished(self, result: NodeResult) -> None:
        self._done += 1
        cost = "reused" if result.reused else f"{result.seconds:.2f} s"
        node = result.node
        self.message(f"[{self._done}/{self._nodes}] {node.stage:<11} {cost:>8}  {node.label}")

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self._done += 1
        self.message(f"[{self._done}/{self._nodes}] failed: {error}")

    def node_blocked(self, node: Node, needed: Node) -> None:
        self._done += 1
        self.message(
            f"[{self._done}/{self._nodes}] {node.stage} not run, its {needed.stage} failed"
        )


class CellLines(Quiet):
    """A line on stderr for each cell of a sweep, and for each failure."""

    def message(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self.message(loaded_text(loaded))

    def cell_ended(self, cell: CellEnded) -> None:
        self.message(cell_text(cell))


class Json(Quiet):
    """A line of JSON on stdout for each thing that happens but the steps."""

    def graph_started(self, nodes: int) -> None:
        self._write("started", stages=nodes)

    def workers_begun(self, workers: int, how: str) -> None:
        self._write("workers", workers=workers, how=how)

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self._write("loaded", seconds=loaded.seconds, pipeline=loaded.readback["pipeline"])

    def node_started(self, node: Node) -> None:
        self._write("stage_started", **_of(node))

    def memory_relieved(self, node: Node, how: str) -> None:
        self._write("memory_relieved", **_of(node), how=how)

    def node_finished(self, result: NodeResult) -> None:
        cost = {"seconds": result.seconds, "reused": result.reused}
        self._write("stage_finished", **_of(result.node), **cost)

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self._write("stage_failed", **_of(node), error=str(error))

    def node_blocked(self, node: Node, needed: Node) -> None:
        self._write("stage_blocked", **_of(node), needed=needed.key)

    def cell_ended(self, cell: CellEnded) -> None:
        self._write("cell_ended", **asdict(cell))

    @staticmethod
    def _write(event: str, **content: object) -> None:
        line = {"event": event, "time": round(time.time(), 3), **content}
        print(json.dumps(line, ensure_ascii=False), flush=True)


class Bars:
    """Live bars on stderr: cells of the sweep with images a minute, stages of the run with the
    time left, steps of each stage in hand with it/s.
    """

    def __init__(self, cells: int = 0) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            ProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Live
        from rich.progress import Task as LiveTask
        from rich.text import Text

        class Rate(ProgressColumn):
            def render(self, task: LiveTask) -> Text:
                speed = task.finished_speed or task.speed
                return Text(f"{speed:.1f} it/s" if speed else "")

        self._live = Live(
            TextColumn("{task.description:<8}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            Rate(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[label]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._cells: TaskID | None = None
        if cells:
            self._cells = self._live.add_task("cells", total=cells, label="")
        self._images = self._failed = 0
        self._began = time.monotonic()
        self._stages: TaskID = self._live.add_task("stages", total=None, label="")
        self._waiting: TaskID = self._live.add_task("", total=None, label="", visible=False)
        self._steps: dict[str, TaskID] = {}
        self._free: list[TaskID] = []
        self._observer = _BarsObserver(self)

    def __enter__(self) -> Display:
        self._live.start()
        return self._observer

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def message(self, text: str) -> None:
        self._live.console.print(text, markup=False, highlight=False)

    def begin(self, nodes: int) -> None:
        self._live.update(self._stages, total=nodes)
        # Importing torch and diffusers takes seconds, and nothing else would be seen of it.
        self._live.update(
            self._waiting, description="loading", label="libraries and weights", visible=True
        )

    def stage_begins(self, node: Node) -> None:
        self._live.update(self._waiting, visible=False)
        if node.key not in self._steps:
            bar = self._free.pop() if self._free else self._live.add_task("", label="")
            self._steps[node.key] = bar
        self._live.reset(
            self._steps[node.key], description=node.stage, label=node.label, total=None
        )

    def cell_ends(self, cell: CellEnded) -> None:
        assert self._cells is not None
        self._images += cell.images
        self._failed += cell.status != "FINISHED"
        minutes = (time.monotonic() - self._began) / 60
        failed = f" · {self._failed} failed" if self._failed else ""
        label = f"{self._images / minutes:.0f} images/min{failed}"
        self._live.update(self._cells, advance=1, label=label)

    def step(self, node: Node, done: int, steps: int) -> None:
        if node.key in self._steps:
            self._live.update(self._steps[node.key], completed=done, total=steps)

    def stage_ends(self, node: Node) -> None:
        self._live.advance(self._stages)
        if node.key in self._steps:
            self._free.append(self._steps.pop(node.key))  # seen until the next stage takes it


class _BarsObserver(Display):
    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    def cell_ended(self, cell: CellEnded) -> None:
        self._bars.cell_ends(cell)

    def graph_started(self, nodes: int) -> None:
        self._bars.begin(nodes)

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self._bars.message(loaded_text(loaded))

    def message(self, text: str) -> None:
        self._bars.message(text)

    def node_started(self, node: Node) -> None:
        self._bars.stage_begins(node)

    def memory_relieved(self, node: Node, how: str) -> None:
        self._bars.message(f"{node.stage}: {how}")

    def node_step(self, node: Node, step: int, steps: int) -> None:
        self._bars.step(node, step, steps)

    def node_finished(self, result: NodeResult) -> None:
        self._bars.stage_ends(result.node)

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self._bars.message(f"failed: {error}")
        self._bars.stage_ends(node)

    def node_blocked(self, node: Node, needed: Node) -> None:
        self._bars.message(f"{node.stage} not run, its {needed.stage} failed: {node.label}")
        self._bars.stage_ends(node)


def cell_text(cell: CellEnded) -> str:
    """One line on a cell that is over."""
    images = f"{cell.images} image{'' if cell.images == 1 else 's'}"
    how = "" if cell.status == "FINISHED" else f" {cell.status}"
    return f"[{cell.done}/{cell.of}]{how} cell {cell.number}: {images}  {cell.label}".rstrip()


def _of(node: Node) -> Mapping[str, str]:
    return {"stage": node.stage, "key": node.key, "label": node.label}


def loaded_text(loaded: Loaded) -> str:
    """One line on a pipeline that was loaded, from what was read back."""
    found = loaded.readback
    dtypes = "/".join(sorted(set(found["dtype"].values())))
    text = (
        f"loaded {found['pipeline']} in {loaded.seconds:.1f} s: {found['execution_device']}, "
        f"{dtypes}"
    )
    if found["scheduler"]:
        text += f", {found['scheduler']}"
    offload = found["offload"]
    if offload["mode"] != "none" or offload["reason"] != "as configured":
        text += f", offload {offload['mode']} ({offload['reason']})"
    if any(module["compiled"] for module in found["compile"].values()):
        text += ", compiled at its first call"
    return text
