"""CUDA graphs of denoisers: how they are captured, and what memory they hold."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import torch

from runner.catalog.graphs import GRAPHS, GraphKind
from runner.pipelines.graphs import CannotRecordError, Function, Recorded


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

    def add(self, grown: int, before: int, within: int, own: int) -> None:
        """Count a graph that was captured.

        Args:
            grown: bytes by which its pool grew.
            before: the most that torch allocated before the capture, since it was last asked.
            within: the same, with the capture: it counts what the graph's own pool holds, too.
            own: what that pool held before.
        """
        self.peak = max(self.peak, before + self.held, within + self.held - own)
        self.held += grown


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
    kind: GraphKind = field(default=GRAPHS["cuda"], init=False)
    _pool: Any = field(default=None)

    def record(self, function: Function, inputs: Sequence[torch.Tensor]) -> Recorded:
        """See `graphs.Recorder`."""
        with torch.cuda.device(self.device):
            first = self._run_aside(function, inputs)
            before = torch.cuda.max_memory_allocated()
            if self._pool is None:
                self._pool = torch.cuda.graph_pool_handle()
            graph = torch.cuda.CUDAGraph()
            outputs, grown, failure = self._capture(graph, function, inputs)
            if failure is None:
                self.memory.add(grown, before, torch.cuda.max_memory_allocated(), self.held)
                self.held += grown
                torch.cuda.reset_peak_memory_stats()
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
    ) -> tuple[list[torch.Tensor], int, Exception | None]:
        """The outputs, the bytes by which the pool grew, and what went wrong."""
        current = torch.cuda.current_stream()
        outputs: list[torch.Tensor] = []
        grown = 0
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
        if failure is None:
            return outputs, grown, None
        # Before torch 2.12 an invalid capture ends for the driver alone, and the allocator of torch
        # refuses to free anything from then on (pytorch/pytorch#180395).
        with contextlib.suppress(RuntimeError):
            torch._C._cuda_endAllocateToPool(self.device.index, self._pool)
        return [], 0, failure.with_traceback(None)  # its frames hold tensors


def _replay(graph: torch.cuda.CUDAGraph, device: torch.device) -> None:
    with torch.cuda.device(device):
        graph.replay()


def open_recorder(module: torch.nn.Module, device: str, memory: PoolMemory) -> CudaRecorder:
    """The recorder of a module that is or will be on a device."""
    index = torch.device(device).index
    place = torch.device("cuda", torch.cuda.current_device() if index is None else index)
    move_constants(module, place)
    return CudaRecorder(place, memory)


def move_constants(module: torch.nn.Module, device: torch.device) -> None:
    """Move those tensors of a module that are neither parameters nor buffers.

    `module.to` leaves them on the CPU, and each call copies them to the device, which no graph can
    capture: the frequencies of Kandinsky5TimeEmbeddings.
    """
    for part in module.modules():
        for name, value in vars(part).items():
            if isinstance(value, torch.Tensor):
                setattr(part, name, value.to(device))
