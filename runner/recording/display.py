"""The base class of progress displays, and the lines of text that all of them share."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.catalog.graphs import GRAPHS
from runner.config.choices import Progress
from runner.engine.observer import Compiled, GraphsHeld, Loaded, NodeResult, Observer
from runner.system.terminal import to_json
from runner.system.text import format_bytes, pluralize
from runner.tracking.status import Status


@dataclass(frozen=True)
class CellEnded:
    """A cell of a sweep is over: the `done`-th of `of`; `images`: how many it has, of which
    `reused` were not drawn for it.
    """

    number: int
    label: str
    status: Status
    images: int
    done: int
    of: int
    reused: int = 0


class Display(Observer):
    """Shows progress. Subclasses show the events that they can."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def message(self, text: str) -> None:
        """Show a line of text."""

    def workers_begun(self, workers: int, how: str) -> None:
        if not how.startswith("1 worker "):  # the usual case
            self.message(how)

    def node_finished(self, result: NodeResult) -> None:
        graphs = result.ran.graphs
        if graphs is not None and graphs.failure is not None and graphs.kind.holds:
            said = f"{result.node.stage}: {graphs_text(graphs)}"
            if said not in self._said:  # once, not at each of its images
                self._said.add(said)
                self.message(said)
        if result.ran.compiled is not None:
            self.message(f"{result.node.stage}: {compiled_text(result.ran.compiled)}")

    def cell_ended(self, cell: CellEnded) -> None:
        """A cell of a sweep is over."""


def settle_progress(progress: Progress) -> Progress:
    """What `auto` means: bars where stderr is a terminal, else lines."""
    if progress is not Progress.auto:
        return progress
    return Progress.bars if sys.stderr.isatty() else Progress.lines


def write_event(event: str, **content: object) -> None:
    """Write a line of JSON on stdout."""
    line = {"event": event, "time": round(time.time(), 3), **content}
    print(to_json(line), flush=True)


def cell_text(cell: CellEnded) -> str:
    """One line on a cell that is over."""
    images = f"{cell.images} image{'' if cell.images == 1 else 's'}"
    how = "" if cell.status == Status.FINISHED else f" {cell.status}"
    return f"[{cell.done}/{cell.of}]{how} cell {cell.number}: {images}  {cell.label}".rstrip()


def graphs_text(graphs: GraphsHeld) -> str:
    """One line on the graphs of a stage's pipeline."""
    if graphs.failure is not None:
        return f"no {graphs.kind.several}, runs kernel by kernel: {graphs.failure}"
    if not graphs.captured and graphs.kind.after:
        return f"no {graphs.kind.name}: no size came more than {graphs.kind.after} times"
    held = f", {format_bytes(graphs.held_bytes)}" if graphs.kind.holds else ""
    return f"{pluralize(graphs.captured, graphs.kind.name)} captured, {graphs.kept} kept{held}"


def _is_told(graphs: Mapping[str, Any]) -> bool:
    """Whether what was read back on graphs was asked for, or may have turned out not to fit."""
    configured = graphs["reason"] == "as configured"
    holds = any(row.holds for row in GRAPHS.values() if row.name == graphs["kind"])
    return bool(graphs["used"]) if configured else holds


def compiled_text(compiled: Compiled) -> str:
    """One line on what torch.compile did."""
    made = f"{pluralize(compiled.made, 'graph')} compiled"
    kept = "" if compiled.kept else ", in the folder that the environment names"
    return f"{made}, {compiled.taken} taken from earlier runs{kept}"


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
    graphs = found.get("graphs")
    if graphs is not None and _is_told(graphs):
        text += f", {graphs['kind']}s {'on' if graphs['used'] else 'off'} ({graphs['reason']})"
    for name, facts in found.get("quantized", {}).items():
        before, now = (format_bytes(facts[key]) for key in ("bytes_before", "bytes"))
        text += f", {name} in {'/'.join(facts['layers'])} ({now}, was {before})"
    if any(module["compiled"] for module in found["compile"].values()):
        text += ", compiled at its first call"
    return text
