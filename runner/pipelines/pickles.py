"""Keeps pickled weights as safetensors, by torch's restricted loader, once.

`python -m runner.pipelines.pickles TARGET PICKLE...` is the process that does it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.errors import StorageError
from runner.system.locks import lock_file
from runner.system.machine import module_command, module_environment
from runner.weights.pickled import STATE, is_converted, keep_hash


def convert(pickles: Sequence[Path], target: Path) -> None:
    """Make `target` from pickled files, if it is not there yet.

    In a process of its own, so that its memory is given back and the caller needs no torch.

    Raises:
        StorageError: torch's restricted loader refuses a file, or the target cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with lock_file(target.with_suffix(".lock")):
            for left in target.parent.glob(f"{target.stem}.*.part"):  # by one that was killed
                left.unlink(missing_ok=True)
            if not is_converted(target):
                _convert(pickles, target)
    except OSError as error:
        raise StorageError(
            f"{target} cannot be written: {error.strerror or error} "
            "(KANDINSKY_CACHE=<folder> names another place)"
        ) from error


def _convert(pickles: Sequence[Path], target: Path) -> None:
    part = target.with_suffix(f".{os.getpid()}.part")
    try:
        done = subprocess.run(
            module_command(__name__, str(part), *map(str, pickles)),
            capture_output=True, text=True, check=False,
            env=module_environment(),
        )  # fmt: skip
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            raise StorageError(f"{pickles[0]} cannot be kept as safetensors: {said[-1]}")
        keep_hash(target, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _write(target: Path, pickles: Sequence[Path]) -> None:
    import torch
    from safetensors.torch import save_file

    tensors: dict[str, Any] = {}
    for path in pickles:
        content: Mapping[str, Any] = torch.load(
            path, map_location="cpu", weights_only=True, mmap=True
        )
        tensors |= content.get(STATE, content)
    # safetensors takes no two tensors that share their numbers: the second one is copied.
    seen: set[int] = set()
    for name, tensor in tensors.items():
        numbers = tensor.untyped_storage()
        if numbers.data_ptr() in seen or numbers.nbytes() != tensor.nbytes:
            tensors[name] = tensor.detach().clone()
        tensors[name] = tensors[name].contiguous()
        seen.add(numbers.data_ptr())
    save_file(tensors, target, metadata={"format": "pt"})


if __name__ == "__main__":
    _write(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
