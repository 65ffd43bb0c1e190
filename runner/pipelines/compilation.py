"""`torch.compile` of the module that is called at each step, and the check that it took effect."""

from __future__ import annotations

import os
import platform
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch

from runner.errors import StageError, StorageError
from runner.graph.node import CompileSpec
from runner.system.compiler import COMPILER, settle_decorators
from runner.system.kept_code import CODE_FOLDER, code_dir, open_code
from runner.system.machine import processor, versions

MOST_SIZES = 100_000
"""Sizes, and lengths of texts, that one process compiles a kind of module for: more than any run
has. torch's own limits, 8 for a module and 256 in all, are for programs that may go on eagerly.
"""

_kept: dict[Path, IO[str]] = {}
"""Folders that this process uses, with their locks."""


def keep_code(device: str) -> Path | None:
    """Have torch keep what this process compiles for later processes.

    Returns:
        the folder; None where the user's environment names another one, or it cannot be made.
    """
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    named = os.environ.get(CODE_FOLDER)
    if named is not None and Path(named).parent in _kept:
        return Path(named).parent
    own = named in (None, default_cache_dir())  # the latter is set by torch itself
    if named is not None and not own and not Path(named).is_relative_to(code_dir()):
        return None  # not a folder that the process has set which began this one
    try:
        folder, lock = open_code(_made_for(device))
    except (OSError, StorageError):
        return None
    _kept[folder] = lock
    os.environ[CODE_FOLDER] = str(folder / "torch")
    return folder


def _made_for(device: str) -> dict[str, str]:
    on_gpu = device.startswith("cuda")
    name = torch.cuda.get_device_name(device) if on_gpu else processor()
    return {
        "device": f"{device.partition(':')[0]}: {name}",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        **versions(("torch", "diffusers", "triton")),
    }


def code_counts() -> Counter[str]:
    """Graphs that this process has compiled so far: `made`; and has found compiled: `taken`."""
    from torch._dynamo.utils import counters

    counts = counters["inductor"]
    made = counts["fxgraph_cache_miss"] + counts["fxgraph_cache_bypass"]
    return Counter(made=made, taken=counts["fxgraph_cache_hit"])


def compile_module(module: Any, spec: CompileSpec) -> None:
    """Compile in place: the module keeps its class, so pipeline, hooks and offload see no change.

    (`pipeline.unet = torch.compile(...)`, as in many guides, has no effect on diffusers' combined
    pipelines, which call the decoder's own reference.)
    """
    lay_out(module, spec)
    if spec.mode is not None:
        settle_decorators()
        # A kernel for any size would round otherwise than that for one, and come with the second
        # size of a process: what is drawn would depend on what was drawn before.
        torch._dynamo.config.recompile_limit = MOST_SIZES
        torch._dynamo.config.accumulated_recompile_limit = MOST_SIZES
        torch._dynamo.config.fail_on_recompile_limit_hit = True  # else it would go on eagerly
        if spec.regional:
            module.compile_repeated_blocks(mode=spec.mode, fullgraph=spec.fullgraph, dynamic=False)
        else:
            module.compile(mode=spec.mode, fullgraph=spec.fullgraph, dynamic=False)
        for part in _compiled(module):
            part._compiled_call_impl = _Counted(part._compiled_call_impl)


def forget_compiled() -> None:
    """Forget code that this process has compiled, and that it counts towards `MOST_SIZES`."""
    if COMPILER in sys.modules:
        torch._dynamo.reset()


def lay_out(module: Any, spec: CompileSpec | None) -> None:
    """Put a module's weights into the memory format that is asked for, as far as they are not."""
    if spec is not None and spec.channels_last:
        module.to(memory_format=torch.channels_last)


def _compiled(module: Any) -> list[Any]:
    """The modules that are compiled: it, or blocks of it."""
    return [part for part in module.modules() if part._compiled_call_impl is not None]


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
    called = all(part._compiled_call_impl.calls > 0 for part in _compiled(module))
    if not called or graphs_compiled() == 0:
        raise StageError(f"compile={spec.mode}: nothing was compiled: {name} was not called")


def read_back(module: Any) -> dict[str, Any]:
    """Whether a live module is compiled, how many of its blocks are where these are instead, and
    the memory format of its convolutions.
    """
    parts = _compiled(module)
    blocks = {"blocks": len(parts)} if parts and module not in parts else {}
    return {"compiled": bool(parts), **blocks, "channels_last": _is_channels_last(module)}


def graphs_compiled() -> int:
    """Graphs that torch.compile has made in this process so far."""
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])


def check_set(name: str, module: Any, spec: CompileSpec) -> None:
    """Raises StageError where the module's settings read back differ from the requested ones."""
    found = read_back(module)
    if found["compiled"] != (spec.mode is not None):
        raise StageError(f"compile={spec.mode}: has no effect on {name}")
    if ("blocks" in found) != spec.regional:
        raise StageError(f"compile.regional={spec.regional}: has no effect on {name}")
    if spec.channels_last and found["channels_last"] is False:
        raise StageError(f"channels_last=true: has no effect on {name}")


def _is_channels_last(module: Any) -> bool | None:
    """None where no convolution can tell: weights of 1 x 1 ones are in both formats."""
    telling = [
        part.weight.is_contiguous(memory_format=torch.channels_last)
        for part in module.modules()
        if isinstance(part, torch.nn.Conv2d) and part.weight.shape[-1] > 1
    ]
    return all(telling) if telling else None
