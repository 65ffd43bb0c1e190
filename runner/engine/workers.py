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
from runner.system import garbage


class Workers(Protocol):
    """What runs nodes for the engine: this process (`Here`), or other processes."""

    def has_idle(self) -> bool:
        """Whether a worker is free to start a node."""
        ...

    def takes_next(self, node: Node, ready: int) -> bool:
        """Whether a busy worker should be given the node, to run it next.

        Args:
            ready: how many calls could begin now, with this one.
        """
        ...

    def submit(self, node: Node, inputs: Mapping[str, Made]) -> None:
        """Have an idle worker run a node, or one that takes it next."""
        ...

    def has_waiting(self) -> bool:
        """Whether nodes that were submitted have not begun."""
        ...

    def recall(self) -> None:
        """Take back the nodes that have not begun; `wait` returns them without a result."""
        ...

    def wait(self) -> tuple[Node, Ran | RunnerError | None] | None:
        """The next node that has ended, with its result or error. None: none yet, but a worker may
        have become idle.
        """
        ...

    def evict_except(self, specs: Collection[PipelineSpec]) -> None:
        """Unload all pipelines but these."""
        ...

    def close(self) -> None:
        """Stop all workers; nodes that are still running are abandoned."""
        ...


OpenWorkers: TypeAlias = "Callable[[Sequence[Node], Observer], Workers]"
"""Opens workers for nodes; they notify the observer of events while a node runs."""


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
        gc.collect()  # `gc.freeze` would keep the garbage that there is
        pipelines = self._open_pipelines()
        if not (garbage.is_set_aside() or gc.get_freeze_count()):
            # Else the collector scans all imported objects whenever a pipeline is freed.
            gc.freeze()
            self._has_frozen = True
        return pipelines

    def has_idle(self) -> bool:
        return not self._done

    def takes_next(self, node: Node, ready: int) -> bool:
        return False

    def has_waiting(self) -> bool:
        return False

    def recall(self) -> None:
        """No node waits."""

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
        """Undo `gc.freeze`; nothing runs outside of `submit`."""
        if self._has_frozen:
            gc.unfreeze()
