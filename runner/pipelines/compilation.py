"""`torch.compile` of the module that is called at each step, and the check that it took effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from runner.errors import StageError
from runner.graph.node import CompileSpec


def compile_module(module: Any, spec: CompileSpec) -> None:
    """Compile in place: the module keeps its class, so pipeline, hooks and offload see no change.

    (`pipeline.unet = torch.compile(...)`, as in many guides, has no effect on diffusers' combined
    pipelines, which call the decoder's own reference.)
    """
    if spec.channels_last:
        module.to(memory_format=torch.channels_last)
    if spec.mode is not None:
        module.compile(mode=spec.mode, fullgraph=spec.fullgraph)
        module._compiled_call_impl = _Counted(module._compiled_call_impl)


class _Counted:
    """Counts the calls of the compiled code, as proof that it is used."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call
        self.calls = 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        return self._call(*arguments, **options)


def check_called(name: str, module: Any, spec: CompileSpec) -> None:
    """After a run: raises StageError where the compiled code was not called."""
    if spec.mode is None:
        return
    if module._compiled_call_impl.calls == 0 or graphs_compiled() == 0:
        raise StageError(f"compile={spec.mode}: nothing was compiled: {name} was not called")


def read_back(module: Any) -> dict[str, Any]:
    """Whether a live module is compiled, and the memory format of its convolutions."""
    return {
        "compiled": module._compiled_call_impl is not None,
        "channels_last": _is_channels_last(module),
    }


def graphs_compiled() -> int:
    """Graphs that torch.compile has made in this process so far."""
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])


def check_set(name: str, module: Any, spec: CompileSpec) -> None:
    """Raises StageError where the module's settings read back differ from the requested ones."""
    found = read_back(module)
    if found["compiled"] != (spec.mode is not None):
        raise StageError(f"compile={spec.mode}: has no effect on {name}")
    if spec.channels_last and found["channels_last"] is False:
        raise StageError(f"compile.channels_last=True: has no effect on {name}")


def _is_channels_last(module: Any) -> bool | None:
    """None where no convolution can tell: weights of 1 x 1 ones are in both formats."""
    telling = [
        part.weight.is_contiguous(memory_format=torch.channels_last)
        for part in module.modules()
        if isinstance(part, torch.nn.Conv2d) and part.weight.shape[-1] > 1
    ]
    return all(telling) if telling else None
