"""Records a module's calls on the CPU as a CUDA graph does on a GPU: each kernel, and the addresses
that it reads and writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from runner.catalog.graphs import GRAPHS
from runner.pipelines.graphs import CannotRecordError, Function, Recorded

ASKS_FOR_A_VALUE = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
"""While a CUDA graph is captured, nothing can wait for the device."""


class Tape(TorchDispatchMode):
    """The kernels of one call, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._kernels: list[tuple[Any, Any, Any, list[Any]]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in ASKS_FOR_A_VALUE:
            raise RuntimeError("operation not permitted when stream is capturing")
        found = func(*args, **kwargs or {})
        self._kernels.append((func, args, kwargs or {}, pytree.tree_leaves(found)))
        return found

    def replay(self) -> None:
        """Run all kernels again; each result goes where it was."""
        for func, args, kwargs, places in self._kernels:
            for place, found in zip(places, pytree.tree_leaves(func(*args, **kwargs)), strict=True):
                if isinstance(place, torch.Tensor) and place.data_ptr() != found.data_ptr():
                    place.copy_(found)


class BetweenDevices(TorchDispatchMode):
    """Raises RuntimeError where a kernel takes or gives tensors of several devices."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = func(*args, **kwargs or {})
        leaves = pytree.tree_leaves((args, kwargs or {}, found))
        devices = {leaf.device.type for leaf in leaves if isinstance(leaf, torch.Tensor)}
        if len(devices) > 1:
            raise RuntimeError(f"{func} has tensors on {', '.join(sorted(devices))}")
        return found


class TapeRecorder:
    """A `graphs.Recorder`. `released`: how often all recordings were dropped."""

    kind = GRAPHS["cuda"]
    held = 0

    def __init__(self) -> None:
        self.released = 0

    def record(self, function: Function, inputs: Sequence[torch.Tensor]) -> Recorded:
        first = [one.clone() for one in function(*inputs)]
        tape = Tape()
        try:
            with tape:
                outputs = function(*inputs)
        except RuntimeError as error:
            raise CannotRecordError(str(error), first) from None
        return Recorded(inputs, outputs, tape.replay, first)

    def release(self) -> None:
        self.released += 1
