"""What is written of a published file, and all that is wrong with it; nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from runner.errors import WeightsError
from runner.kandinsky2_0.conversion.components import Component, Published
from runner.kandinsky2_0.conversion.numbers import FLOATS, Piece, opened
from runner.weights.pickled import Pickled, StoredTensor, read_pickled
from runner.weights.safetensors_header import DamagedFileError


@dataclass(frozen=True)
class PlannedFile:
    """A published file, and what is made of it.

    Attributes:
        pieces: by the name of a component.
        dropped: names of its tensors that no component needs.
    """

    path: Path
    published: Published
    pickled: Pickled
    pieces: Mapping[str, list[Piece]]
    dropped: list[str]

    @property
    def bytes(self) -> int:
        """The size of what is written."""
        return sum(piece.bytes for pieces in self.pieces.values() for piece in pieces)


def plan_file(source: Path, published: Published, dtype: torch.dtype | None) -> PlannedFile:
    """Read which tensors a file has, and find each that is needed.

    Args:
        dtype: of what is written; None: as it is stored.

    Raises:
        WeightsError: the file is damaged, or tensors are missing, left over or of another shape;
            each is named.
    """
    path = source / published.name
    try:
        pickled = read_pickled(path, within=published.within)
        return plan_tensors(path, published, pickled, dtype)
    except DamagedFileError as error:
        raise WeightsError("source", path, str(error)) from error
    except OSError as error:
        raise WeightsError("source", path, f"cannot be read: {error.strerror or error}") from error


def plan_tensors(
    path: Path, published: Published, pickled: Pickled, dtype: torch.dtype | None
) -> PlannedFile:
    """The same, of a file whose tensors are known. Raises WeightsError."""
    stored = pickled.tensors
    faults: list[str] = []
    pieces = {
        component.name: _pieces(component, stored, dtype, faults)
        for component in published.components
    }
    used = {
        component.placed(name).name
        for component in published.components
        for name in component.shapes
    }
    dropped: list[str] = []
    for name in stored:
        if name.startswith(published.drops):
            dropped.append(name)
        elif name in published.repeats:
            dropped.append(name)
            faults += _differing(path, pickled, name, published.repeats[name])
        elif name not in used:
            faults.append(f"left over: {name}, {_shown(stored[name].shape)}")
    if faults:
        known = list(dict.fromkeys(faults))
        raise WeightsError("source", path, "is not what was published:\n  " + "\n  ".join(known))
    return PlannedFile(path, published, pickled, pieces, dropped)


def _pieces(
    component: Component,
    stored: Mapping[str, StoredTensor],
    dtype: torch.dtype | None,
    faults: list[str],
) -> list[Piece]:
    """What a component is made of; faults are added."""
    pieces = []
    for name, shape in component.shapes.items():
        place = component.placed(name)
        tensor = stored.get(place.name)
        needed = (place.parts * shape[0], *shape[1:])
        if tensor is None:
            faults.append(f"missing: {place.name}, {_shown(needed)}")
        elif _without_ones(tensor.shape) != _without_ones(needed):
            faults.append(
                f"shape: {place.name} is {_shown(tensor.shape)}, and {_shown(needed)} is needed"
            )
        elif tensor.kind not in FLOATS:
            faults.append(f"type: {place.name} is of {tensor.kind}")
        else:
            single = any(part in name for part in component.stays_float32)
            wanted = torch.float32 if single and dtype is torch.float16 else dtype
            pieces.append(Piece(name, shape, wanted or FLOATS[tensor.kind], tensor, place))
    return pieces


def _differing(path: Path, pickled: Pickled, name: str, other: str) -> list[str]:
    """A fault, where a tensor is no copy of another one."""
    one, two = pickled.tensors[name], pickled.tensors.get(other)
    if two is None:
        return []  # is said to be missing
    if (one.file, one.offset, one.shape) == (two.file, two.offset, two.shape):
        return []
    if one.shape == two.shape and one.kind in FLOATS and two.kind in FLOATS:
        with opened(path, pickled) as numbers:
            first = numbers.read(one)
            if torch.equal(first, numbers.read(two)):
                return []
    return [f"left over: {name}, which is not equal to {other}"]


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A convolution of one pixel is a linear layer: its last axes have length 1."""
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _shown(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
