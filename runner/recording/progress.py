"""Displays of a run's or a sweep's progress: live bars on a terminal, lines in a pipe, JSON."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from runner.config.choices import Progress
from runner.engine.observer import Loaded, NodeResult
from runner.errors import RunnerError
from runner.graph.node import Node
from runner.recording.display import (
    CellEnded,
    Display,
    cell_text,
    loaded_text,
    settle_progress,
    write_event,
)

if TYPE_CHECKING:
    from runner.recording.progress_bars import Bars


def display_for(progress: Progress, cells: int = 0) -> Lines | CellLines | Bars | Quiet | Json:
    """The display that the config asks for. `auto` looks whether stderr is a terminal.

    Args:
        cells: how many cells of a sweep will run.
    """
    progress = settle_progress(progress)
    if progress is Progress.bars:
        from runner.recording.progress_bars import Bars

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

    def worker_died(self, node: Node, how: str) -> None:
        print(f"{node.stage}: {how}", file=sys.stderr, flush=True)

    def node_failed(self, node: Node, error: RunnerError) -> None:
        print(f"failed: {error}", file=sys.stderr, flush=True)


class Lines(Quiet):
    """One line on stderr for each event."""

    def __init__(self) -> None:
        super().__init__()
        self._nodes = 0
        self._done = 0

    def graph_started(self, nodes: int) -> None:
        self._nodes = nodes

    def message(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self.message(loaded_text(loaded))

    def node_finished(self, result: NodeResult) -> None:
        super().node_finished(result)
        self._done += 1
        cost = "reused" if result.reused else f"{result.ran.seconds:.2f} s"
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
    """A line of JSON on stdout for each event except steps."""

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

    def worker_died(self, node: Node, how: str) -> None:
        self._write("worker_died", **_of(node), how=how)

    def node_finished(self, result: NodeResult) -> None:
        cost: dict[str, Any] = {"seconds": result.ran.seconds, "reused": result.reused}
        if result.ran.graphs is not None:
            cost["graphs"] = {**asdict(result.ran.graphs), "kind": result.ran.graphs.kind.name}
        if result.ran.compiled is not None:
            cost["compiled"] = asdict(result.ran.compiled)
        self._write("stage_finished", **_of(result.node), **cost)

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self._write("stage_failed", **_of(node), error=str(error))

    def node_blocked(self, node: Node, needed: Node) -> None:
        self._write("stage_blocked", **_of(node), needed=needed.key)

    def cell_ended(self, cell: CellEnded) -> None:
        self._write("cell_ended", **asdict(cell))

    _write = staticmethod(write_event)


def _of(node: Node) -> Mapping[str, str]:
    return {"stage": node.stage, "key": node.key, "label": node.label}
