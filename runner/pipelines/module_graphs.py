"""Graphs of a pipeline's modules: whether they are used, set, read back, dropped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from runner.catalog.graphs import GraphKind, graph_kind
from runner.catalog.memory import Footprint, peak_bytes
from runner.catalog.offload import Offload
from runner.config.choices import Graphs
from runner.engine.observer import GraphsHeld
from runner.pipelines.attention import is_module
from runner.pipelines.cuda_graphs import PoolMemory, open_recorder
from runner.pipelines.graphs import Recorder, Replaying, replay, replaying_of
from runner.pipelines.offload import MARGIN
from runner.pipelines.traced_graphs import LONGEST, TraceRecorder
from runner.system.text import format_bytes


@dataclass
class GraphChoice:
    """Whether denoisers run as graphs, and why.

    Attributes:
        configured: the config's value; with `auto`, `used` may become false.
        kind: that the device has; None: it has none.
        after: calls of one signature that run without, before it is recorded.
    """

    configured: Graphs
    used: bool
    reason: str
    kind: GraphKind | None = None
    after: int = 0

    def turn_off(self, reason: str) -> bool:
        """Use none from now on, to free memory.

        Returns:
            false where none holds any, or they are required.
        """
        holds = self.used and self.kind is not None and self.kind.holds
        if not holds or self.configured is Graphs.on:
            return False
        self.used, self.reason = False, reason
        return True


def choose_graphs(
    configured: Graphs,
    device: str,
    mode: Offload,
    footprints: Sequence[Footprint],
    free: int | None,
    *,
    measured: bool = False,
) -> GraphChoice:
    """The configured value, or for `auto` whether graphs are possible and their memory is there.

    Args:
        mode: the offload mode that is in use.
        footprints: of the run's pipelines with their graphs.
        free: free bytes of the device; None where unknown.
        measured: whether calls are timed: then the first one records, which is not measured.
    """
    kind = graph_kind(device)
    if configured is not Graphs.auto:
        return GraphChoice(configured, configured is Graphs.on, "as configured", kind)
    if kind is None:
        return GraphChoice(configured, False, f"{device} has none")
    if not mode.captured:
        return GraphChoice(configured, False, f"offload={mode.name} moves weights", kind)
    needed = peak_bytes(mode, footprints) * MARGIN
    if kind.holds and free is not None and needed > free:
        reason = f"need about {format_bytes(int(needed))} of {format_bytes(free)} free"
        return GraphChoice(configured, False, reason, kind)
    return GraphChoice(configured, True, kind.where, kind, 0 if measured else kind.after)


def record_calls(module: Any, device: str, memory: PoolMemory, choice: GraphChoice) -> None:
    """Have a module that is or will be on the device run as graphs. Where hooks take its calls it
    stays without, or raises StageError where graphs are required.
    """
    required = choice.configured is Graphs.on
    if is_hooked(module) and not required:
        return
    assert choice.kind is not None, "used on a device that has graphs"
    recorder: Recorder
    if device.startswith("cuda"):
        recorder = open_recorder(module, device, memory)
    else:
        recorder = TraceRecorder(module, math.inf if required else LONGEST)
    replay(module, recorder, required=required, after=choice.after)


def is_hooked(module: Any) -> bool:
    """Whether another library has taken the place of its `forward`."""
    return "forward" in vars(module) and replaying_of(module) is None


def drop_graphs(pipeline: Any) -> None:
    """Drop the graphs of a pipeline's modules, and what they hold of memory."""
    for replaying in _replaying(pipeline):
        replaying.drop()


def held_graphs(pipeline: Any) -> GraphsHeld | None:
    """The graphs of a pipeline's denoiser, read back; None where it runs without."""
    for replaying in _replaying(pipeline):
        made, now = replaying.recordings, len(replaying)
        recorder = replaying.recorder
        return GraphsHeld(recorder.kind, made, now, recorder.held, replaying.failure)
    return None


def _replaying(pipeline: Any) -> Iterator[Replaying]:
    for module in filter(is_module, pipeline.components.values()):
        if (found := replaying_of(module)) is not None:
            yield found
