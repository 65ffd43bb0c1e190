"""Numbers of tensors: read from files of `torch.save` and written as safetensors, one at a time."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from runner.kandinsky2_0.conversion.keys import Place
from runner.weights.pickled import Pickled, StoredTensor
from runner.weights.safetensors_header import LENGTH_BYTES, DamagedFileError

FLOATS = {
    "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "DoubleStorage": torch.float64,
}  # fmt: skip
"""Class of a storage that weights may have -> its dtype."""
IN_SAFETENSORS = {
    torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
}  # fmt: skip
PIECE = 1 << 22
"""Bytes that are read at once."""


class Numbers:
    """Reads tensors of a file of `torch.save`. Only one storage is in memory."""

    def __init__(self, archive: zipfile.ZipFile, pickled: Pickled) -> None:
        self._archive, self._pickled = archive, pickled
        self._file, self._storage = "", torch.empty(0)

    def read(self, stored: StoredTensor) -> torch.Tensor:
        """The tensor, as it is stored; valid until another one is read.

        Raises:
            DamagedFileError: bytes are missing, or not those that were written (CRC-32).
        """
        if self._file != stored.file:
            self._storage = torch.empty(0)  # before the next one is there, too
            self._storage, self._file = self._read_storage(stored), stored.file
        return self._storage.as_strided(stored.shape, stored.stride, stored.offset)

    def _read_storage(self, stored: StoredTensor) -> torch.Tensor:
        read = bytearray(stored.bytes)
        view, done = memoryview(read), 0
        try:
            with self._archive.open(f"{self._pickled.folder}data/{stored.file}") as file:
                while found := file.read(min(PIECE, len(read) - done)):
                    view[done : done + len(found)] = found
                    done += len(found)
        except (zipfile.BadZipFile, EOFError, ValueError) as error:
            raise DamagedFileError(f"is damaged: {error}") from error
        if done != len(read):
            raise DamagedFileError("is damaged: numbers of a tensor are missing")
        return torch.frombuffer(read, dtype=FLOATS[stored.kind]) if read else torch.empty(0)


@contextmanager
def opened(path: Path, pickled: Pickled) -> Iterator[Numbers]:
    """The numbers of a file that `read_pickled` has read."""
    with zipfile.ZipFile(path) as archive:
        yield Numbers(archive, pickled)


@dataclass(frozen=True)
class Piece:
    """A tensor to write, and the stored one that it is, or that it is a part of.

    Attributes:
        name, shape, dtype: of the tensor that is written.
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    stored: StoredTensor
    place: Place

    @property
    def bytes(self) -> int:
        """Its size in the file."""
        return torch.Size(self.shape).numel() * self.dtype.itemsize

    def taken_from(self, stored: torch.Tensor) -> torch.Tensor:
        """The tensor, from the stored one."""
        if self.place.parts > 1:
            by_head = (-1, self.place.parts, self.place.head_width, *stored.shape[1:])
            stored = stored.reshape(by_head)[:, self.place.part]
        return stored.reshape(self.shape).to(self.dtype).contiguous()


def write_safetensors(path: Path, pieces: Sequence[Piece], numbers: Numbers) -> None:
    """Write a file of weights, one tensor at a time.

    Source: https://huggingface.co/docs/safetensors/index#format
    """
    # Parts of one stored tensor follow each other, so that it is read once.
    pieces = sorted(pieces, key=lambda piece: (piece.stored.file, piece.name))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for piece in pieces:
        begin, end = end, end + piece.bytes
        header[piece.name] = {
            "dtype": IN_SAFETENSORS[piece.dtype],
            "shape": piece.shape,
            "data_offsets": [begin, end],
        }
    written = json.dumps(header).encode()
    written += b" " * (-(LENGTH_BYTES + len(written)) % 64)  # so that tensors begin aligned
    with path.open("xb") as file:
        file.write(len(written).to_bytes(LENGTH_BYTES, "little") + written)
        for piece in pieces:
            tensor = piece.taken_from(numbers.read(piece.stored))
            file.write(tensor.flatten().view(torch.uint8).numpy().data)
