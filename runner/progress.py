"""What a person sees while a run goes on: live bars on a terminal, lines in a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from runner.config.choices import Progress
from runner.errors import RunnerError
from runner.events import Loaded, NodeResult, Observer
from runner.graph import Node

if TYPE_CHECKING:
    from rich.progress import TaskID


def display_for(progress: Progress) -> Lines | Bars | Quiet:
    """The display that the config asks for. `auto` looks whether stderr is a terminal."""
    if progress is Progress.auto:
        progress = Progress.bars if sys.stderr.isatty() else Progress.lines
    if progress is Progress.bars:
        return Bars()
    return Lines() if progress is Progress.lines else Quiet()


class Quiet(Observer):
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


class Bars:
    """Two live bars on stderr: stages of the run, steps of the stage with it/s and time left."""

    def __init__(self) -> None:
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
        self._stages: TaskID = self._live.add_task("stages", total=None, label="")
        self._steps: TaskID = self._live.add_task("", total=None, label="", visible=False)
        self._observer = _BarsObserver(self)

    def __enter__(self) -> Observer:
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
            self._steps, description="loading", label="libraries and weights", visible=True
        )

    def stage_begins(self, node: Node) -> None:
        self._live.reset(
            self._steps, description=node.stage, label=node.label, visible=True, total=None
        )

    def step(self, done: int, steps: int) -> None:
        self._live.update(self._steps, completed=done, total=steps)

    def stage_ends(self) -> None:
        self._live.advance(self._stages)


class _BarsObserver(Observer):
    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    def graph_started(self, nodes: int) -> None:
        self._bars.begin(nodes)

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self._bars.message(loaded_text(loaded))

    def node_started(self, node: Node) -> None:
        self._bars.stage_begins(node)

    def memory_relieved(self, node: Node, how: str) -> None:
        self._bars.message(f"{node.stage}: {how}")

    def node_step(self, node: Node, step: int, steps: int) -> None:
        self._bars.step(step, steps)

    def node_finished(self, result: NodeResult) -> None:
        self._bars.stage_ends()

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self._bars.message(f"failed: {error}")
        self._bars.stage_ends()

    def node_blocked(self, node: Node, needed: Node) -> None:
        self._bars.message(f"{node.stage} not run, its {needed.stage} failed: {node.label}")
        self._bars.stage_ends()


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
