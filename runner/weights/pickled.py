"""Pickled weights (`*.bin`): what they hold, without executing anything, and without torch.

They are never loaded themselves: `runner.pipelines.pickles` makes a safetensors file of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from runner.system.hashes import file_sha256
from runner.system.user_cache import user_cache_dir
from runner.weights.hashes import FileHashes
from runner.weights.safetensors_header import MAX_HEADER_BYTES, DamagedFileError, Header

STATE = "state_dict"
"""Key of a training's checkpoint that holds its tensors, beside numbers such as its epoch."""

STORAGES = {
    "FloatStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2, "DoubleStorage": 8,
    "LongStorage": 8, "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1,
    "BoolStorage": 1,
}  # fmt: skip
"""Class of storage -> bytes of a number."""


class StoredTensor:
    """A tensor of a pickle: its shape, and where its numbers are. Nothing of it is read.

    Attributes:
        shape, stride, offset: as torch has them, in numbers.
        kind: class of its storage, a key of `STORAGES`.
        file: the storage's name among the archive's `data/`.
        numbers, bytes: the storage's length.
    """

    def __init__(self, *arguments: Any) -> None:
        # torch._utils._rebuild_tensor_v2(storage, storage_offset, size, stride, ...)
        storage, offset, size, stride = arguments[:4]
        self.shape = tuple(map(int, size))
        self.stride = tuple(map(int, stride))
        self.offset = int(offset)
        # ("storage", class, name of its file, device, numbers)
        _, self.kind, self.file, _, numbers = storage
        self.numbers = int(numbers)
        self.bytes = STORAGES[self.kind] * self.numbers
        last = sum((length - 1) * step for length, step in zip(self.shape, stride, strict=True))
        if 0 not in self.shape and self.offset + last >= self.numbers:
            raise DamagedFileError("is damaged: a tensor is larger than what is stored of it")


class _Idle:
    """Stands for an object that is not a tensor: it takes everything, and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> _Idle:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> _Idle:
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        pass

    def extend(self, items: Any) -> None:
        pass

    def add(self, item: Any) -> None:
        pass


def _same(tensor: Any, *_: Any) -> Any:
    return tensor


class _Looking(pickle.Unpickler):
    """Builds places where the pickle builds tensors, and refuses all else, or leaves it idle."""

    def __init__(self, file: IO[bytes], idle_others: bool) -> None:
        super().__init__(file)
        self._idle_others = idle_others

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return StoredTensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _same
        if module == "torch" and name in STORAGES:
            return name
        if self._idle_others:
            return _Idle
        raise DamagedFileError(
            f"is pickled and asks for {module}.{name}, which is more than tensors: refused"
        )

    def persistent_load(self, pid: Any) -> Any:
        return pid


@dataclass(frozen=True)
class Pickled:
    """What a file made by `torch.save` holds.

    Attributes:
        tensors: by name.
        folder: of the archive, in which `data/<file of a tensor>` is.
    """

    tensors: Mapping[str, StoredTensor]
    folder: str


def read_pickled(path: Path, *, within: str | None = None) -> Pickled:
    """Where a file made by `torch.save` has its tensors, without executing anything of it.

    Args:
        within: the key of the file's content that holds the tensors. Whatever the others hold is
            passed over: objects of any class are stood for by idle ones. None: the content is the
            tensors, or has them under `STATE` beside plain values.

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
                content = _Looking(file, idle_others=within is not None).load()
            stored = {info.filename: info.file_size for info in archive.infolist()}
        folder = name.removesuffix("data.pkl")
        if within is not None:
            if within not in content:
                raise DamagedFileError(f"has no {within}")
            content = content[within]
        elif isinstance(content.get(STATE), Mapping):
            content = content[STATE]
        for value in content.values():
            if stored.get(f"{folder}data/{value.file}", -1) < value.bytes:
                raise DamagedFileError("is damaged: numbers of a tensor are missing")
        return Pickled({str(key): value for key, value in content.items()}, folder)
    except (DamagedFileError, OSError):
        raise
    except Exception as error:  # a damaged pickle raises anything
        raise DamagedFileError(
            "is no file of torch.save, or is damaged (files from before torch 1.6 are not read)"
        ) from error


def read_pickled_header(path: Path) -> Header:
    """Names and shapes of the tensors of a file made by `torch.save`, without executing it.

    Raises:
        DamagedFileError: it is no such file, is cut off, or holds more than tensors.
        OSError: it cannot be read.
    """
    tensors = read_pickled(path).tensors
    return Header({name: tensor.shape for name, tensor in tensors.items()}, path.stat().st_size)


def find_converted(pickles: Sequence[str], hashes: FileHashes) -> Path:
    """Where the safetensors file made from pickles is kept; a damaged one is removed.

    Args:
        pickles: their hex sha256, in order.
    """
    name = hashlib.sha256("\n".join(pickles).encode()).hexdigest()[:32]
    target = user_cache_dir() / "converted" / f"{name}.safetensors"
    if is_converted(target) and hashes.sha256(target) != _kept(target)[0]:
        with contextlib.suppress(OSError):
            target.unlink()
    return target


def is_converted(target: Path) -> bool:
    """Whether the file is there, as long as it was when it was made."""
    try:
        return target.stat().st_size == _kept(target)[1]
    except OSError:
        return False


def keep_hash(target: Path, made: Path) -> None:
    """Write down what `made` holds, which will be moved to `target`."""
    hash_file(target).write_text(f"{file_sha256(made)} {made.stat().st_size}\n", encoding="utf-8")


def hash_file(target: Path) -> Path:
    """The file with the hash and the size of a converted one."""
    return target.with_suffix(".sha256")


def _kept(target: Path) -> tuple[str, int]:
    try:
        sha256, size = hash_file(target).read_text(encoding="utf-8").split()
        return sha256, int(size)
    except (OSError, ValueError):
        return "", -1
