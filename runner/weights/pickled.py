"""Pickled weights (`*.bin`): what they hold, without executing anything, and without torch.

They are never loaded themselves: `runner.pipelines.pickles` makes a safetensors file of them.
"""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.system.user_cache import user_cache_dir
from runner.weights.safetensors_header import MAX_HEADER_BYTES, DamagedFileError, Header

STORAGES = (
    "FloatStorage", "HalfStorage", "BFloat16Storage", "DoubleStorage", "LongStorage", "IntStorage",
    "ShortStorage", "CharStorage", "ByteStorage", "BoolStorage",
)  # fmt: skip


class _Shape:
    """Stands for a tensor while a pickle is looked at."""

    def __init__(self, *arguments: Any) -> None:
        # torch._utils._rebuild_tensor_v2(storage, storage_offset, size, stride, ...)
        self.shape = tuple(map(int, arguments[2]))


def _same(tensor: Any, *_: Any) -> Any:
    return tensor


class _Looking(pickle.Unpickler):
    """Builds shapes where the pickle builds tensors, and refuses all else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Shape
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _same
        if module == "torch" and name in STORAGES:
            return name
        raise DamagedFileError(
            f"is pickled and asks for {module}.{name}, which is more than tensors: refused"
        )

    def persistent_load(self, pid: Any) -> Any:
        return pid


def read_pickled_header(path: Path) -> Header:
    """Names and shapes of the tensors of a file made by `torch.save`, without executing it.

    Raises:
        DamagedFileError: it is no such file, is cut off, or holds more than tensors.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            if archive.getinfo(name).file_size > MAX_HEADER_BYTES:
                raise DamagedFileError("is pickled and says too much beside its tensors: refused")
            with archive.open(name) as file:
                content = _Looking(file).load()
        tensors = {str(key): value.shape for key, value in content.items()}
    except (DamagedFileError, OSError):
        raise
    except Exception as error:  # a damaged pickle raises anything
        raise DamagedFileError(
            "is no file of torch.save, or is damaged (files from before torch 1.6 are not read)"
        ) from error
    return Header(tensors, path.stat().st_size)


def converted_file(hashes: Sequence[str]) -> Path:
    """Where the safetensors file made from pickles is kept.

    Args:
        hashes: the pickles' hex sha256, in order.
    """
    name = hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:32]
    return user_cache_dir() / "converted" / f"{name}.safetensors"
