"""Reads and checks the header of a safetensors file.

Layout: 8 bytes little-endian header length N, N bytes of JSON, then the tensors' bytes.
Source: https://huggingface.co/docs/safetensors/index#format
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from runner.system.untrusted import parse_json

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000


class DamagedFileError(Exception):
    """The file is no complete safetensors file; the message says what is wrong with it."""


@dataclass(frozen=True)
class Header:
    """What a file of weights holds.

    Attributes:
        shapes: tensor name -> its shape.
        bytes: size of the whole file.
        metadata: texts that its writer added.
        types: tensor name -> the type of its numbers, as safetensors names it: "F32", "I8".
    """

    shapes: Mapping[str, tuple[int, ...]]
    bytes: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """Number of parameters in the file."""
        return sum(prod(shape) for shape in self.shapes.values())


def read_header(path: Path) -> Header:
    """Read and check the header against the file's size.

    Raises:
        DamagedFileError: the file is truncated, or no safetensors file.
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        if size < LENGTH_BYTES or not 0 < length <= min(size - LENGTH_BYTES, MAX_HEADER_BYTES):
            if _is_lfs_pointer(path):
                raise DamagedFileError("is a Git LFS pointer, not the file (run: git lfs pull)")
            raise DamagedFileError("is no safetensors file, or is cut off in its header")
        try:
            entries = parse_json(file.read(length))
            tensors = {name: entry for name, entry in entries.items() if name != "__metadata__"}
            end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
            shapes = {name: tuple(map(int, entry["shape"])) for name, entry in tensors.items()}
            types = {name: str(entry["dtype"]) for name, entry in tensors.items()}
            told = {str(k): str(v) for k, v in entries.get("__metadata__", {}).items()}
        except (ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
            raise DamagedFileError("is no safetensors file: its header is damaged") from error
    expected = LENGTH_BYTES + length + end
    if size != expected:
        raise DamagedFileError(f"has {size} bytes where its header says {expected}")
    return Header(shapes, size, told, types)


def _is_lfs_pointer(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(20).startswith(b"version https://git")
