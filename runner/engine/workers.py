"""The Workers protocol, and the in-process worker."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeAlias

from runner.config.run_config import Bench
from runner.engine.observer import Observer, Ran
from runner.engine.results import Made, decode
from runner.engine.stage_runner import PipelineSource, StageRunner
from runner.errors import RunnerError
from runner.graph.node import Node, PipelineSpec


class Workers(Protocol):
    """Run nodes: this process itself (`Here`), or others."""

    def has_idle(self) -> bool:
        """Whether one of them would begin at once."""
        ...

    def submit(self, node: Node, inputs: Mapping[str, Made]) -> None:
        """Have an idle one run a node."""
        ...

    def wait(self) -> tuple[Node, Ran | RunnerError] | None:
        """The next node that is done: what it made, or why it failed. None: not yet; look again
        whether one is idle.
        """
        ...

    def evict_except(self, specs: Collection[PipelineSpec]) -> None:
        """Only these pipelines are still needed."""
        ...

    def close(self) -> None:
        """Let go of all; what is still running is given up."""
        ...


OpenWorkers: TypeAlias = "Callable[[Sequence[Node], Observer], Workers]"
"""Gives workers for nodes, which tell an observer what happens while one runs."""


def in_process(
    open_pipelines: Callable[[], PipelineSource], bench: Bench | None = None
) -> OpenWorkers:
    """This process as the only worker; pipelines are opened when a node needs one."""
    return lambda _, observer: Here(open_pipelines, observer, bench)


class Here:
    """Runs a node at once, in this process."""

    def __init__(
        self,
        open_pipelines: Callable[[], PipelineSource],
        observer: Observer,
        bench: Bench | None = None,
    ) -> None:
        self._open_pipelines = open_pipelines
        self._runner = StageRunner(self._opened, observer, bench)
        self._has_frozen = False
        self._done: list[tuple[Node, Ran | RunnerError]] = []

    def _opened(self) -> PipelineSource:
        gc.collect()  # what is garbage by now is not to be kept
        pipelines = self._open_pipelines()
        if not gc.get_freeze_count():
            # Else all that was imported is looked through whenever a pipeline is let go of.
            gc.freeze()
            self._has_frozen = True
        return pipelines

    def has_idle(self) -> bool:
        return not self._done

    def submit(self, node: Node, inputs: Mapping[str, Made]) -> None:
        try:
            ran = self._runner.run(node, {name: decode(made) for name, made in inputs.items()})
        except RunnerError as error:
            self._done.append((node, error))
        else:
            self._done.append((node, ran))

    def wait(self) -> tuple[Node, Ran | RunnerError]:
        return self._done.pop()

    def evict_except(self, specs: Collection[PipelineSpec]) -> None:
        self._runner.evict_except(specs)

    def close(self) -> None:
        """Nothing runs outside of `submit`; garbage is looked for everywhere again."""
        if self._has_frozen:
            gc.unfreeze()
