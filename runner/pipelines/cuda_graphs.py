"""CUDA graphs of denoisers: whether they are used, how they are captured, what memory they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import torch

from runner.catalog.memory import Footprint, peak_bytes
from runner.catalog.offload import Offload
from runner.config.choices import Graphs
from runner.engine.observer import GraphsHeld
from runner.pipelines.attention import is_module
from runner.pipelines.graphs import (
    CannotRecordError,
    Function,
    Recorded,
    Replaying,
    replay,
    replaying_of,
)
from runner.pipelines.offload import MARGIN
from runner.system.text import format_bytes


@dataclass
class GraphChoice:
    """Whether denoisers run as CUDA graphs, and why.

    Attributes:
        configured: the config's value; with `auto`, `used` may become false.
    """

    configured: Graphs
    used: bool
    reason: str

    def turn_off(self, reason: str) -> bool:
        """Use none from now on. False where none are used, or they are required."""
        if not self.used or self.configured is Graphs.on:
            return False
        self.used, self.reason = False, reason
        return True


def choose_graphs(
    configured: Graphs,
    device: str,
    mode: Offload,
    footprints: Sequence[Footprint],
    free: int | None,
) -> GraphChoice:
    """The configured value, or for `auto` whether graphs are possible and their memory is there.

    Args:
        mode: the offload mode that is in use.
        footprints: of the run's pipelines with their graphs.
        free: free bytes of the device; None where unknown.
    """
    if configured is not Graphs.auto:
        return GraphChoice(configured, configured is Graphs.on, "as configured")
    if not device.startswith("cuda"):
        return GraphChoice(configured, False, f"{device} has none")
    if not mode.captured:
        return GraphChoice(configured, False, f"offload={mode.name} moves weights")
    needed = peak_bytes(mode, footprints) * MARGIN
    if free is not None and needed > free:
        reason = f"need about {format_bytes(int(needed))} of {format_bytes(free)} free"
        return GraphChoice(configured, False, reason)
    return GraphChoice(configured, True, "on CUDA")


@dataclass
class PoolMemory:
    """Memory of the device that captured graphs hold between their replays.

    torch does not count it as allocated: it is where a graph's own intermediate results are.

    Attributes:
        held: bytes.
        peak: the most that was allocated when a graph was last captured, since it was last asked.
    """

    held: int = 0
    peak: int = 0

    def whole_peak(self, allocated: int) -> int:
        """The peak since the last call. `allocated`: the most that torch allocated since then, or
        since a graph was captured.
        """
        peak, self.peak = self.peak, 0
        return max(peak, allocated + self.held)


@cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all captures: each stream has workspaces of its own in cuBLAS."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@dataclass
class CudaRecorder:
    """Captures calls as CUDA graphs, which share a pool of memory.

    Sharing is safe in any order of replays: inputs are outside of the pool, and outputs are copied
    before another graph is replayed on the same stream.
    Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
    """

    device: torch.device
    memory: PoolMemory
    held: int = 0
    _pool: Any = field(default=None)

    def record(self, function: Function, inputs: Sequence[torch.Tensor]) -> Recorded:
        """See `graphs.Recorder`."""
        with torch.cuda.device(self.device):
            first = self._run_aside(function, inputs)
            if self._pool is None:
                self._pool = torch.cuda.graph_pool_handle()
            graph = torch.cuda.CUDAGraph()
            outputs, failure = self._capture(graph, function, inputs)
            if failure is None:
                return Recorded(inputs, outputs, partial(_replay, graph, self.device), first)
        if isinstance(failure, torch.OutOfMemoryError):
            raise failure
        said = str(failure).strip().partition("\n")[0]
        raise CannotRecordError(f"{type(failure).__name__}: {said}", first)

    def release(self) -> None:
        """See `graphs.Recorder`. The pool is free once its last graph is."""
        self.memory.held -= self.held
        self.held, self._pool = 0, None

    def _run_aside(self, function: Function, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Run once on the stream of captures, where libraries then have made all that they make at
        their first call. Gives the results to the current stream.
        """
        current, side = torch.cuda.current_stream(), _side_stream(self.device)
        side.wait_stream(current)
        with torch.cuda.stream(side):
            found = function(*inputs)
        current.wait_stream(side)
        return [one.clone() for one in found]

    def _capture(
        self, graph: torch.cuda.CUDAGraph, function: Function, inputs: Sequence[torch.Tensor]
    ) -> tuple[list[torch.Tensor], Exception | None]:
        current = torch.cuda.current_stream()
        outputs: list[torch.Tensor] = []
        failure: Exception | None = None
        # Of cuBLAS, which lie in the common memory, and which torch frees whenever it compiles with
        # graphs of its own: made within the capture they lie in the pool, as long as that is.
        # Source: clear_cublass_cache in torch/_inductor/cudagraph_trees.py
        torch._C._cuda_clearCublasWorkspaces()
        try:
            with torch.cuda.graph(
                graph,
                pool=self._pool,
                stream=_side_stream(self.device),
                capture_error_mode="thread_local",  # other threads may use the device meanwhile
            ):
                before = torch.cuda.memory_reserved()  # nothing unused is reserved here
                try:
                    outputs = function(*inputs)
                except Exception as error:  # the end of the capture would hide it
                    failure = error
                grown = torch.cuda.memory_reserved() - before
        except Exception as error:
            failure = failure or error
        finally:
            torch._C._cuda_clearCublasWorkspaces()
            torch.cuda.set_stream(current)  # a capture that fails leaves its own stream current
        if failure is not None:
            return [], failure.with_traceback(None)  # its frames hold tensors
        self.held += grown
        self.memory.held += grown
        self.memory.peak = max(self.memory.peak, torch.cuda.max_memory_allocated())
        torch.cuda.reset_peak_memory_stats()
        return outputs, None


def _replay(graph: torch.cuda.CUDAGraph, device: torch.device) -> None:
    with torch.cuda.device(device):
        graph.replay()


def capture_calls(module: Any, device: str, memory: PoolMemory, *, required: bool) -> None:
    """Have a module that is or will be on the device run as CUDA graphs. Where hooks take its calls
    it stays without, or raises StageError where graphs are required.
    """
    if is_hooked(module) and not required:
        return
    index = torch.device(device).index
    place = torch.device("cuda", torch.cuda.current_device() if index is None else index)
    move_constants(module, place)
    replay(module, CudaRecorder(place, memory), required=required)


def move_constants(module: torch.nn.Module, device: torch.device) -> None:
    """Move those tensors of a module that are neither parameters nor buffers.

    `module.to` leaves them on the CPU, and each call copies them to the device, which no graph can
    capture: the frequencies of Kandinsky5TimeEmbeddings.
    """
    for part in module.modules():
        for name, value in vars(part).items():
            if isinstance(value, torch.Tensor):
                setattr(part, name, value.to(device))


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
        recorder = replaying.recorder
        held = recorder.held if isinstance(recorder, CudaRecorder) else 0
        return GraphsHeld(replaying.recordings, len(replaying), held, replaying.failure)
    return None


def _replaying(pipeline: Any) -> Iterator[Replaying]:
    for module in filter(is_module, pipeline.components.values()):
        if (found := replaying_of(module)) is not None:
            yield found
