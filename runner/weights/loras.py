"""Finds a LoRA and checks its file by its header, without torch.

diffusers leaves out what fits no layer, with a line in a log or none at all: here it is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import TypeAlias

from runner.config.run_config import Lora
from runner.errors import WeightsError
from runner.weights.found import FoundCheckpoint, FoundLora
from runner.weights.hashes import FileHashes
from runner.weights.lora_metadata import UnreadSettingError, alphas_told
from runner.weights.lora_names import LoraTensor, Part, UnknownTensorError, read_names
from runner.weights.lora_places import ALLOWED, find_place
from runner.weights.pickled import read_pickled_header
from runner.weights.safetensors_header import DamagedFileError, Header, read_header

Shape: TypeAlias = "tuple[int, ...]"
Shapes: TypeAlias = "Mapping[str, Shape]"
"""Tensor name -> its shape."""

PEFT = "peft"
"""The package that adds LoRAs to models; its version is part of keys."""

FLOATS = ("F64", "F32", "F16", "BF16")
"""Types of numbers, as safetensors names them, that a LoRA may be kept in."""


@dataclass(frozen=True)
class LoraFile:
    """A file that holds a LoRA, by its names and shapes alone.

    Attributes:
        found: with its weight and key still to be set.
        tensors: what it holds -> its shape.
        named: what it holds -> its name in the file.
    """

    found: FoundLora
    tensors: Mapping[LoraTensor, Shape]
    named: Mapping[LoraTensor, str]


def find_lora(
    lora: Lora,
    key: str,
    modules: tuple[str, ...],
    hashes: FileHashes,
    *,
    may_download: bool = False,
) -> LoraFile:
    """Find and check a LoRA's file. Of one that is to be fetched first, no more than that is known.

    Args:
        key: the config key of its path.
        modules: names that may stand before those of its tensors.
        may_download: what is not on this disk may be fetched later; else it is an error.

    Raises:
        WeightsError: there is none, it is cut off or no safetensors, or holds something else.
    """
    place = find_place(lora, key, hashes, may_download=may_download)
    if place.file is None:
        return LoraFile(_absent(lora, key, place.repository), {}, {})
    file = place.file
    header = _header(file, key)
    try:
        module, told = read_names(header.shapes, modules)
        alpha, alphas = alphas_told(header.metadata, module)
    except (UnknownTensorError, UnreadSettingError) as error:
        raise WeightsError(key, file, str(error), ALLOWED) from error
    named = {tensor: name for name, tensor in told.items()}
    if len(named) < len(told):
        twice = next(name for name, one in told.items() if named[one] != name)
        raise WeightsError(key, file, f"says {twice!r} twice, in two layouts", ALLOWED)
    for tensor, name in named.items():
        if tensor.part is not Part.alpha and header.types[name] not in FLOATS:
            problem = f"has {name!r} in {header.types[name]}"
            raise WeightsError(key, file, problem, f"a LoRA in one of {', '.join(FLOATS)}")
    shapes = {tensor: header.shapes[name] for tensor, name in named.items()}
    ranks = _ranks(file, key, shapes, named)
    if alpha is not None and any(tensor.part is Part.alpha for tensor in named):
        problem = "says alphas twice: as tensors, and in its metadata"
        raise WeightsError(key, file, problem, ALLOWED)
    found = FoundLora(
        key,
        file,
        hashes.sha256(file),
        weight=1.0,
        ranks=tuple(sorted(set(ranks))),
        layers=len(ranks),
        numbers=sum(prod(shape) for shape in shapes.values()),
        module=module,
        alpha=alpha,
        alphas=alphas,
        packaged=place.packaged,
        repository=place.repository,
    )
    return LoraFile(found, shapes, named)


def misfit(lora: LoraFile, model: Shapes) -> tuple[str, Shape, Shape | None] | None:
    """The first tensor that fits no layer of a model: its name, its shape, and that of the layer's
    weights (None: there is no such layer). None: all fit.
    """
    for tensor, shape in sorted(lora.tensors.items(), key=lambda one: one[0].name):
        layer = model.get(f"{tensor.layer}.weight")
        if layer is None or (tensor.part is not Part.alpha and not _fits(tensor, shape, layer)):
            return lora.named[tensor], shape, layer
    return None


def model_shapes(found: FoundCheckpoint) -> Shapes | None:
    """Shapes of the weights that a LoRA changes; None: not on this disk, or random."""
    checked = found.checked
    if checked is None or found.random is not None:
        return None
    weights = checked.weights[found.checkpoint.denoiser]
    read = read_pickled_header if weights.pickled else read_header
    headers = (read(checked.files[name]) for name in weights.files)
    return {name: shape for header in headers for name, shape in header.shapes.items()}


def named(lora: LoraFile, key: str, weight: float) -> FoundLora:
    """The LoRA as an entry of a config has it."""
    return replace(lora.found, key=key, weight=weight)


def _absent(lora: Lora, key: str, repository: FoundCheckpoint | None) -> FoundLora:
    """One that is to be fetched."""
    assert repository is not None
    known = repository.missing or ()
    # Several of one repository are several, before it is known which files they are.
    unknown = repository.identity if lora.file is None else f"{repository.identity}: {lora.file}"
    sha256 = next((file.sha256 for file in known if file.sha256), unknown)
    path = Path(repository.repo, *(file.name for file in known))
    return FoundLora(key, path, sha256, 1.0, (), 0, 0, repository=repository)


def _header(file: Path, key: str) -> Header:
    try:
        header = read_header(file)
    except DamagedFileError as error:
        raise WeightsError(key, file, str(error), "a whole safetensors file") from error
    except OSError as error:
        raise WeightsError(key, file, f"cannot be read: {error.strerror}") from error
    if not header.shapes:
        raise WeightsError(key, file, "holds no tensor", ALLOWED)
    return header


def _ranks(
    file: Path, key: str, shapes: Mapping[LoraTensor, Shape], named: Mapping[LoraTensor, str]
) -> list[int]:
    """The rank of each layer."""
    found = []
    for layer in dict.fromkeys(tensor.layer for tensor in shapes):
        down, up = (shapes.get(LoraTensor(layer, part)) for part in (Part.down, Part.up))
        if down is None or up is None:
            has = next(named[LoraTensor(layer, p)] for p in Part if LoraTensor(layer, p) in shapes)
            lacks = Part.down if down is None else Part.up
            problem = f"has {has!r}, and nothing for {LoraTensor(layer, lacks).name!r}"
            raise WeightsError(key, file, problem, ALLOWED)
        if len(down) not in (2, 4) or len(up) != len(down) or not 0 < down[0] == up[1]:
            problem = f"has parts of {layer!r} of shapes {down} and {up}, which give no rank"
            raise WeightsError(key, file, problem, ALLOWED)
        if prod(shapes.get(LoraTensor(layer, Part.alpha), ())) != 1:
            problem = f"has {layer + '.alpha'!r} of another shape than a number's"
            raise WeightsError(key, file, problem, ALLOWED)
        found.append(down[0])
    return found


def _fits(tensor: LoraTensor, shape: Shape, layer: Shape) -> bool:
    """Whether a part has the shape that peft gives it: [rank, in, *kernel], [out, rank, 1, 1]."""
    if len(shape) != len(layer):
        return False
    if tensor.part is Part.down:
        return shape[1:] == layer[1:]
    return shape[0] == layer[0] and all(size == 1 for size in shape[2:])
