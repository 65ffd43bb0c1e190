"""Records calls on a CPU: the kernels of a call, in order, run by torch's interpreter.

A step of a small model spends a third of its time in Python between kernels. What is recorded is
run without: nothing is fused or rearranged, so results are bit-identical, which is checked on
other numbers before a recording is used.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch.jit._fuser import optimized_execution
from torch.jit._trace import TracerWarning
from torch.utils._python_dispatch import TorchDispatchMode

from runner.catalog.graphs import GRAPHS, GraphKind
from runner.pipelines.graphs import CannotRecordError, Function, Recorded
from runner.system.imports import sparing

LONGEST = 0.25
"""Seconds of a call from which the time between its kernels does not count."""

OTHER = 0.75
"""Factor of the numbers that a recording is checked on."""


@dataclass(frozen=True)
class TraceRecorder:
    """Records calls of a module on a CPU.

    Attributes:
        module: its weights stay as they are while recordings are kept: of some there are copies.
        longest: seconds of the calls that are worth it.
    """

    module: torch.nn.Module
    longest: float = LONGEST
    kind: GraphKind = field(default=GRAPHS["cpu"], init=False)
    held: int = field(default=0, init=False)

    def record(self, function: Function, inputs: Sequence[torch.Tensor]) -> Recorded:
        """See `graphs.Recorder`."""
        noise, started = torch.get_rng_state(), time.perf_counter()
        first = [one.clone() for one in function(*inputs)]
        seconds = time.perf_counter() - started
        if seconds > self.longest:
            why = f"a call takes {seconds:.2g} s, so there is no gain"
            raise CannotRecordError(why, first, alone=True)
        if not torch.equal(noise, torch.get_rng_state()):
            raise CannotRecordError("it draws noise", first)
        try:
            traced = self._traced(function, inputs)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # of code that is not made for it: the call itself has run
            said = str(error).strip().partition("\n")[0]
            why = said if isinstance(error, _NotSettledError) else f"{type(error).__name__}: {said}"
            raise CannotRecordError(why, first) from None
        outputs = [one.clone() for one in first]

        def replay() -> None:
            for fixed, found in zip(outputs, traced(*inputs), strict=True):
                fixed.copy_(found)

        return Recorded(inputs, outputs, replay, first)

    def _traced(
        self, function: Function, inputs: Sequence[torch.Tensor]
    ) -> Callable[..., Sequence[torch.Tensor]]:
        watch = _Watch()
        with sparing(), watch:  # torch chooses other kernels here, so results are not used
            function(*inputs)
        if watch.found is not None:
            raise _NotSettledError(f"{watch.found} depends on more than sizes")
        traced = _trace(function, inputs, [*_slots(self.module)], watch.channels_last)
        others = [_other(one) for one in inputs]
        if not _same(traced(*others), function(*others)):
            raise _NotSettledError("what is recorded gives other results")
        return traced

    def release(self) -> None:
        """See `graphs.Recorder`: recordings share nothing."""


CONVOLUTIONS = (torch.ops.aten.conv2d.default, torch.ops.aten.convolution.default)
"""With and without inference mode."""


class _NotSettledError(Exception):
    """A recording would not hold for other numbers."""


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches the kernels of a call.

    Attributes:
        found: the first one that gives a number to Python, or as many numbers as those say that it
            is given: a recording would take both for constants.
        channels_last: ids of the weights that meet a picture in this layout, and have another.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: str | None = None
        self.channels_last: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **kwargs or {})
        if func in CONVOLUTIONS:
            picture, weight, *_ = args
            if _is_channels_last(picture) and not _is_channels_last(weight):
                self.channels_last.add(id(weight))
        sizes = torch.Tag.dynamic_output_shape in func.tags
        if func is torch.ops.aten.index.Tensor:
            sizes = _has_mask(args[1])
        if self.found is None and (sizes or isinstance(result, (bool, int, float, complex))):
            self.found = func.name()
        return result


def _has_mask(indices: Sequence[torch.Tensor | None]) -> bool:
    masks = (torch.bool, torch.uint8)
    return any(one is not None and one.dtype in masks for one in indices)


_Slot: TypeAlias = tuple[dict[str, Any], str]


def _slots(module: torch.nn.Module) -> Iterator[_Slot]:
    """Where the parts of a module keep their weights and buffers."""
    for part in module.modules():
        for held in (part._parameters, part._buffers):
            yield from ((held, name) for name, value in held.items() if value is not None)


def _is_channels_last(tensor: torch.Tensor) -> bool:
    """As torch's convolutions ask; where a size is 1 a tensor has both layouts."""
    is_last: bool = tensor.is_contiguous(memory_format=torch.channels_last)
    return tensor.dim() == 4 and is_last and not tensor.is_contiguous()


def _trace(
    function: Function,
    inputs: Sequence[torch.Tensor],
    slots: Sequence[_Slot],
    channels_last: Collection[int],
) -> Callable[..., Sequence[torch.Tensor]]:
    """The kernels of a call as a function of `inputs`.

    Weights are inputs of the trace, so it holds none. It is not made by `torch.jit.trace`, whose
    functions are kept as long as the process (14 MB each, for a UNet of 1100 kernels).

    Args:
        channels_last: ids of weights that convolutions bring into this layout, at each call anew
            (7% of a step's time on the small family). The trace gets them as they do.
    """

    def whole(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with _filled(slots, tensors[: len(slots)]):
            return tuple(function(*tensors[len(slots) :]))

    weights = [
        one.contiguous(memory_format=torch.channels_last) if id(one) in channels_last else one
        for one in _held(slots)
    ]
    with warnings.catch_warnings():
        # Sizes become constants, which hold for the signature.
        warnings.simplefilter("ignore", TracerWarning)
        graph, _ = torch._C._create_graph_by_tracing(
            whole,
            (*weights, *inputs),
            lambda _: "",
            strict=True,
            force_outplace=False,
            argument_names=[],
        )
    unit = torch._C.CompilationUnit()
    run = unit.create_function("call", graph, False)

    def traced(*tensors: torch.Tensor) -> Sequence[torch.Tensor]:
        # Without rewriting: kernels that are fused may round differently.
        with optimized_execution(False):
            found = run(*weights, *tensors)
        return [found] if isinstance(found, torch.Tensor) else found

    return traced


def _held(slots: Sequence[_Slot]) -> list[torch.Tensor]:
    return [held[name] for held, name in slots]


@contextmanager
def _filled(slots: Sequence[_Slot], tensors: Sequence[torch.Tensor]) -> Iterator[None]:
    """Other tensors in place of a module's own. Not `torch.func.functional_call`, which refuses to
    be traced.
    """
    own = _held(slots)
    try:
        for (held, name), tensor in zip(slots, tensors, strict=True):
            held[name] = tensor
        yield
    finally:
        for (held, name), tensor in zip(slots, own, strict=True):
            held[name] = tensor


def _other(tensor: torch.Tensor) -> torch.Tensor:
    """Other numbers of the same kind: a timestep may be whole, other whole numbers are positions or
    masks, and come in another order.
    """
    if tensor.is_floating_point():
        return tensor * OTHER
    if tensor.dim() == 0 and tensor.dtype is not torch.bool:
        return (tensor * OTHER).to(tensor.dtype)
    return tensor.flatten().flip(0).reshape(tensor.shape)


def _same(some: Sequence[torch.Tensor], others: Sequence[torch.Tensor]) -> bool:
    """Whether all bits are the same."""
    return all(
        one.dtype == other.dtype and torch.equal(_bits(one), _bits(other))
        for one, other in zip(some, others, strict=True)
    )


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)
