"""Live bars on a terminal: cells, stages and steps."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from runner.engine.observer import Loaded, NodeResult
from runner.errors import RunnerError
from runner.graph.node import Node

if TYPE_CHECKING:
    from rich.progress import TaskID
from runner.recording.display import CellEnded, Display, loaded_text
from runner.system.terminal import clean, clean_proxies, for_rich
from runner.tracking.status import Status


class Bars:
    """Live bars on stderr: cells of the sweep with images a minute, stages of the run with the
    time left, steps of each running stage with it/s.
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
        from rich.table import Column
        from rich.text import Text

        class Rate(ProgressColumn):
            def render(self, task: LiveTask) -> Text:
                speed = task.finished_speed or task.speed
                return Text(f"{speed:.1f} it/s" if speed else "")

        console = Console(file=for_rich(sys.stderr))
        # The label is cut where the line is short, never a number; the bar goes before both.
        bars = [BarColumn(bar_width=24 if console.width >= 100 else 10)]
        rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        self._live = Live(
            TextColumn("{task.description:<8}", markup=False),
            *(bars if console.width >= 60 else []),
            MofNCompleteColumn(),
            Rate(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[label]}", markup=False, table_column=rest),
            console=console,
            expand=True,
            transient=True,
        )
        self._cells: TaskID | None = None
        if cells:
            self._cells = self._live.add_task("cells", total=cells, label="")
        self._images = self._failed = self._nodes = self._stored = 0
        self._began = time.monotonic()
        self._stages: TaskID = self._live.add_task("stages", total=None, label="")
        self._waiting: TaskID = self._live.add_task("", total=None, label="", visible=False)
        self._steps: dict[str, TaskID] = {}
        self._free: list[TaskID] = []
        self._observer = _BarsObserver(self)

    def __enter__(self) -> Display:
        self._live.start()
        clean_proxies()
        return self._observer

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def message(self, text: str) -> None:
        self._live.console.print(clean(text), markup=False, highlight=False)

    def begin(self, nodes: int) -> None:
        self._nodes += nodes
        self._live.update(self._stages, total=self._nodes)
        # Importing torch and diffusers takes seconds, which nothing else would show.
        self._live.update(
            self._waiting, description="loading", label="libraries and weights", visible=True
        )

    def stage_begins(self, node: Node) -> None:
        self._live.update(self._waiting, visible=False)
        if node.key not in self._steps:
            bar = self._free.pop() if self._free else self._live.add_task("", label="")
            self._steps[node.key] = bar
        self._live.reset(
            self._steps[node.key], description=node.stage, label=clean(node.label), total=None
        )

    def cell_ends(self, cell: CellEnded) -> None:
        assert self._cells is not None
        self._images += cell.images - cell.reused
        self._failed += cell.status != Status.FINISHED
        minutes = (time.monotonic() - self._began) / 60
        failed = f" · {self._failed} failed" if self._failed else ""
        speed = f"{self._images / minutes:.0f} images/min" if self._images else ""
        label = f"{speed}{failed}".removeprefix(" · ")
        self._live.update(self._cells, advance=1, label=label)

    def step(self, node: Node, done: int, steps: int) -> None:
        if node.key in self._steps:
            self._live.update(self._steps[node.key], completed=done, total=steps)

    def stage_was_stored(self) -> None:
        """It counts neither as done nor as left: it would tell nothing of the time for the rest."""
        self._stored += 1
        self._nodes -= 1
        label = f"{self._stored} from the store"
        self._live.update(self._stages, total=self._nodes, label=label)

    def stage_ends(self, node: Node) -> None:
        self._live.advance(self._stages)
        if node.key in self._steps:
            self._free.append(self._steps.pop(node.key))  # shown until reused


class _BarsObserver(Display):
    def __init__(self, bars: Bars) -> None:
        super().__init__()
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

    def worker_died(self, node: Node, how: str) -> None:
        self._bars.message(f"{node.stage}: {how}")

    def node_step(self, node: Node, step: int, steps: int) -> None:
        self._bars.step(node, step, steps)

    def node_finished(self, result: NodeResult) -> None:
        super().node_finished(result)
        if result.reused:
            self._bars.stage_was_stored()
        else:
            self._bars.stage_ends(result.node)

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self._bars.message(f"failed: {error}")
        self._bars.stage_ends(node)

    def node_blocked(self, node: Node, needed: Node) -> None:
        self._bars.message(f"{node.stage} not run, its {needed.stage} failed: {node.label}")
        self._bars.stage_ends(node)
