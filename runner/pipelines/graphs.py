"""Replays a module's calls: one of each signature is recorded, later ones are replayed.

What records is a `Recorder`: `runner.pipelines.cuda_graphs` and `traced_graphs` have them. A replay
runs the same kernels on the same numbers in the same layout, so its results are bit-identical.

The wrapper takes the place of the module's `forward`, so the module keeps its class, and
pipelines that share it share its recordings.
"""

from __future__ import annotations

import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.utils import _pytree as pytree  # the one by which diffusers' own outputs are flattened

from runner.catalog.graphs import GraphKind
from runner.errors import StageError

MOST = 8
"""Recordings of one module at a time; the least recently used is dropped. A run needs one for each
size, batch, guidance and, with Kandinsky 3, length of the text."""

PLAIN = (bool, int, float, str, type(None), torch.dtype)
"""Types of arguments that are no tensors; a recording holds for their values."""

Function = Callable[..., list[torch.Tensor]]
"""Of tensors alone."""


@dataclass(frozen=True)
class Recorded:
    """A recorded call. `replay` reads `inputs` and overwrites `outputs`, which stay where they are.

    Attributes:
        first: the results of the call that was recorded; they are not overwritten.
    """

    inputs: Sequence[torch.Tensor]
    outputs: Sequence[torch.Tensor]
    replay: Callable[[], None]
    first: Sequence[torch.Tensor]


class CannotRecordError(Exception):
    """A call ran, but cannot be recorded.

    Args:
        first: its results.
        alone: whether that is so for its signature alone.
    """

    def __init__(self, why: str, first: Sequence[torch.Tensor], *, alone: bool = False) -> None:
        super().__init__(why)
        self.first = first
        self.alone = alone


class Recorder(Protocol):
    """Records calls, and holds what all recordings of one module share."""

    @property
    def kind(self) -> GraphKind:
        """What it makes."""
        ...

    @property
    def held(self) -> int:
        """Bytes of the device that its recordings hold between calls."""
        ...

    def record(self, function: Function, inputs: Sequence[torch.Tensor]) -> Recorded:
        """Run a function of tensors that stay where they are, and record it.

        Raises:
            CannotRecordError: it ran, and cannot be recorded.
            torch.OutOfMemoryError: as without recording.
        """
        ...

    def release(self) -> None:
        """All recordings were dropped: give back what they shared."""
        ...


@dataclass(frozen=True)
class Call:
    """Arguments of a call, apart: tensors, and all else, which is what a recording holds for."""

    tensors: tuple[torch.Tensor, ...]
    signature: Hashable
    whole: Callable[[Sequence[torch.Tensor]], tuple[tuple[Any, ...], dict[str, Any]]]


def split(arguments: tuple[Any, ...], options: dict[str, Any]) -> Call | str:
    """Take arguments apart, however they are nested in tuples, lists and dictionaries.

    Returns:
        a text where one is neither a tensor nor plain: what it is.
    """
    leaves, structure = pytree.tree_flatten((arguments, options))
    tensors: list[torch.Tensor] = []
    described: list[Hashable] = []
    for leaf in leaves:
        if isinstance(leaf, torch.Tensor):
            tensors.append(leaf)
            layout = tuple(leaf.shape), leaf.stride(), leaf.dtype, str(leaf.device)
            described.append((torch.Tensor, *layout))
        elif isinstance(leaf, PLAIN):
            described.append((type(leaf), leaf))  # 1, 1.0 and True are equal
        else:
            return f"an argument is of type {type(leaf).__name__}"

    # Not `leaves`: the recording would keep the first call's tensors.
    others = [None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
    places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]

    def whole(given: Sequence[torch.Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        filled: list[Any] = list(others)
        for place, tensor in zip(places, given, strict=True):
            filled[place] = tensor
        found: tuple[tuple[Any, ...], dict[str, Any]] = pytree.tree_unflatten(filled, structure)
        return found

    signature = (structure, tuple(described), torch.is_inference_mode_enabled())
    return Call(tuple(tensors), signature, whole)


@dataclass
class _Kept:
    recorded: Recorded
    structure: Any


class Replaying:
    """Takes the place of a module's `forward`.

    Args:
        module: in evaluation; its weights stay where they are, or all recordings are dropped.
        required: raise StageError where a call cannot be recorded; else it runs as without, and so
            do all later ones.
        after: calls of one signature that run without, before it is recorded.
        most: see `MOST`.

    Attributes:
        recorder: what records.
        recordings: how many were made so far.
        stopped: why nothing is recorded any more; None: it is.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        recorder: Recorder,
        *,
        required: bool,
        after: int = 0,
        most: int = MOST,
    ) -> None:
        self._module = weakref.ref(module)  # the module holds this object
        self._forward = type(module).forward
        self.recorder = recorder
        self._required = required
        self._after = after
        self._most = most
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._calls = Counter[Hashable]()
        self._left: dict[Hashable, str] = {}
        self._address = _address(module)
        self.recordings = 0
        self.stopped: str | None = None

    @property
    def failure(self) -> str | None:
        """Why nothing is recorded, or nothing was; None: it is."""
        left = next(iter(self._left.values()), None)
        return self.stopped or (None if self._kept else left)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        module = self._module()
        assert module is not None, "called after its module"
        if self.stopped is not None or not _replayable(module):
            return self._forward(module, *arguments, **options)
        if _address(module) != self._address:
            self.drop()
            self._address = _address(module)
        call = split(arguments, options)
        if isinstance(call, str):
            self._fail(module, call)
            return self._forward(module, *arguments, **options)
        kept = self._kept.get(call.signature)
        if kept is None:
            self._calls[call.signature] += 1
            if self._calls[call.signature] <= self._after or call.signature in self._left:
                return self._forward(module, *arguments, **options)
            return self._record(module, call)
        self._kept.move_to_end(call.signature)
        for fixed, given in zip(kept.recorded.inputs, call.tensors, strict=True):
            fixed.copy_(given)
        kept.recorded.replay()
        # Copies: the next replay overwrites them, and schedulers keep several steps' results.
        return pytree.tree_unflatten([one.clone() for one in kept.recorded.outputs], kept.structure)

    def __len__(self) -> int:
        """Recordings that are kept now."""
        return len(self._kept)

    def drop(self) -> None:
        """Drop all recordings, and what they hold of memory."""
        self._kept.clear()
        self._calls.clear()
        self._left.clear()
        self.recorder.release()

    def _record(self, module: torch.nn.Module, call: Call) -> Any:
        structures = []

        def function(*tensors: torch.Tensor) -> list[torch.Tensor]:
            arguments, options = call.whole(tensors)
            leaves, structure = pytree.tree_flatten(self._forward(module, *arguments, **options))
            structures.append(structure)
            return leaves

        inputs = [_fixed(tensor, module) for tensor in call.tensors]
        try:
            recorded = self.recorder.record(function, inputs)
        except CannotRecordError as error:
            if error.alone:
                self._left[call.signature] = str(error)
            else:
                self._fail(module, str(error))
            return pytree.tree_unflatten(list(error.first), structures[0])
        self._kept[call.signature] = _Kept(recorded, structures[0])
        self.recordings += 1
        if len(self._kept) > self._most:
            dropped, _ = self._kept.popitem(last=False)
            del self._calls[dropped]
        return pytree.tree_unflatten(list(recorded.first), structures[0])

    def _fail(self, module: torch.nn.Module, why: str) -> None:
        self.drop()
        if self._required:
            raise StageError(f"graphs=on: {type(module).__name__} cannot be captured: {why}")
        self.stopped = why


def replay(
    module: torch.nn.Module, recorder: Recorder, *, required: bool, after: int = 0
) -> Replaying:
    """Have a module's calls recorded and replayed from now on; see `Replaying`.

    Raises:
        StageError: a hook of another library has taken the place of its `forward`.
    """
    if "forward" in vars(module):
        raise StageError(f"graphs: a hook takes the calls of {type(module).__name__}")
    replaying = Replaying(module, recorder, required=required, after=after)
    module.forward = replaying
    return replaying


def replaying_of(module: Any) -> Replaying | None:
    """What `replay` set on a live module, read back; None: nothing."""
    found = vars(module).get("forward")
    return found if isinstance(found, Replaying) else None


def _replayable(module: torch.nn.Module) -> bool:
    """Whether a call does nothing but compute: no gradients, no dropout, no casts of its own."""
    kind = _device(module).type
    if kind == "meta":  # hooks bring its weights
        return False
    casts = torch.is_autocast_enabled(kind)
    return not (module.training or torch.is_grad_enabled() or casts)


def _fixed(tensor: torch.Tensor, module: torch.nn.Module) -> torch.Tensor:
    """A copy at an address of its own, in the same layout.

    A timestep, the one tensor without dimensions, may be on the CPU: all denoisers move it to the
    device themselves before they use it, which while a graph is captured would fail.
    """
    device = _device(module) if tensor.dim() == 0 else tensor.device
    fixed = torch.empty_like(tensor, device=device, memory_format=torch.preserve_format)
    fixed.copy_(tensor)
    return fixed


def _device(module: torch.nn.Module) -> torch.device:
    return next(module.parameters()).device


def _address(module: torch.nn.Module) -> int:
    return next(module.parameters()).data_ptr()
