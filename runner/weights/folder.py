"""Checks a checkpoint's folder in diffusers layout, by its JSON files and the weights' headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from runner.catalog.checkpoint import Checkpoint
from runner.catalog.memory import ModuleSize
from runner.catalog.quantization import count_taken
from runner.config.choices import Precision
from runner.errors import WeightsError
from runner.weights.components import INDEX_FILES, foreign_component, missing_files
from runner.weights.facts import embedding_size, last_channels, native_size, schedulers
from runner.weights.files import WeightFiles, choose_weight_files, find_weight_files, other_files
from runner.weights.hashes import FileHashes, fingerprint
from runner.weights.identify import check_weights
from runner.weights.pickled import find_converted, is_converted, read_pickled_header
from runner.weights.safetensors_header import DamagedFileError, Header, read_header
from runner.weights.settings import config_name, read_json
from runner.weights.shards import check_index
from runner.weights.shared import FILE, shared_components


@dataclass(frozen=True)
class CheckedFolder:
    """A folder that holds the checkpoint that the catalog describes.

    Attributes:
        files: name within the checkpoint -> the file, of all that decide the pixels; those of
            shared components are in another folder.
        weights: module -> the files that its weights are read from.
        converted: module -> the safetensors file that stands for its pickles, made before it is
            loaded.
        fingerprint: hash of `files`, independent of the folder's path.
        sizes: numbers of each module's weights.
        bytes: size of its weights on disk.
        native_size: pixels the denoiser was trained at; None where unknown.
        embedding_size: width of the image embedding that passes from prior to decoder.
        channels: that the autoencoder's last block is given; 0: the role draws no picture.
        schedulers: scheduler name -> the contents of its scheduler_config.json; "" is the
            checkpoint's main one.
    """

    path: Path
    files: Mapping[str, Path]
    weights: Mapping[str, WeightFiles]
    converted: Mapping[str, Path]
    fingerprint: str
    sizes: Mapping[str, ModuleSize]
    bytes: int
    native_size: int | None
    embedding_size: int | None
    channels: int
    schedulers: dict[str, dict[str, Any]]

    @property
    def parameters(self) -> dict[str, int]:
        """Number of parameters of each module."""
        return {module: size.numbers for module, size in self.sizes.items()}

    @property
    def variant(self) -> str | None:
        """The variants of the weights' files, for display; None: none has one."""
        return ", ".join(sorted({w.variant for w in self.weights.values() if w.variant})) or None

    @property
    def to_convert(self) -> dict[Path, list[Path]]:
        """Safetensors file that is not made yet -> the pickles that it is made from."""
        return {
            target: [self.files[name] for name in self.weights[module].files]
            for module, target in self.converted.items()
            if not is_converted(target)
        }

    def links(self) -> dict[str, Path]:
        """Name -> file, for a folder that loads as this checkpoint and holds nothing else.

        Variants and pickles are under the names of plain safetensors.
        """
        linked = dict(self.files)
        for module, weights in self.weights.items():
            names = [*weights.files, *([weights.index] if weights.index else [])]
            if weights.pickled:
                for name in names:
                    linked.pop(name, None)
                plain = f"{weights.stem.removeprefix('pytorch_')}.safetensors"
                linked[plain if module == "." else f"{module}/{plain}"] = self.converted[module]
                continue
            for name in names:
                linked[weights.loaded_as(name)] = linked.pop(name)
        return linked

    def moved_to(self, folder: Path) -> CheckedFolder:
        """The same checkpoint in another place, with what it shares beside it."""
        beside, here = self.path.parent, folder.parent

        def moved(file: Path) -> Path:
            return here / file.relative_to(beside) if file.is_relative_to(beside) else file

        files = {name: moved(file) for name, file in self.files.items()}
        return replace(self, path=folder, files=files)


def check_folder(
    path: Path,
    checkpoint: Checkpoint,
    variant: str | None,
    key: str,
    hashes: FileHashes,
    precision: Precision = Precision.fp32,
) -> CheckedFolder:
    """Check that `path` holds the complete checkpoint.

    Args:
        variant: the only one that is allowed; None: as precision and folder tell.

    Raises:
        WeightsError: files are missing, unreadable, truncated, of another model, or hold more
            than tensors, or an index does not fit its shards.
    """
    index = read_json(path / INDEX_FILES[checkpoint.layout], key)
    if foreign := foreign_component(index, checkpoint):
        raise WeightsError(
            key, path / INDEX_FILES[checkpoint.layout], f"names a class that is not loaded: "
            f"{foreign}", "classes of diffusers and transformers",
        )  # fmt: skip
    found = files_within(path, checkpoint, key)
    weights = {
        module: _weights_of(module, found, path, variant, precision, key)
        for module in checkpoint.modules
    }
    headers = {module: _headers(one, found, key) for module, one in weights.items()}
    for one in weights.values():
        check_index(one, found, key)
    configs = {
        module: read_json(found.get(config_name(module), path / config_name(module)), key)
        for module in checkpoint.modules
    }
    check_weights(path, checkpoint, headers, configs, key)
    for name in missing_files(index, checkpoint, found):
        raise WeightsError(key, path / name, "is not there", "a whole checkpoint: copy it again")
    used = _used(found, checkpoint, weights, key)
    sha256 = hashes.sha256_of(used)
    return CheckedFolder(
        path=path,
        files=used,
        weights=weights,
        converted={
            module: find_converted([sha256[name] for name in one.files], hashes)
            for module, one in weights.items()
            if one.pickled
        },
        fingerprint=fingerprint(sha256.items()),
        sizes={module: _size(held, checkpoint) for module, held in headers.items()},
        bytes=sum(header.bytes for held in headers.values() for header in held),
        native_size=native_size(checkpoint, configs),
        embedding_size=embedding_size(checkpoint, configs),
        channels=last_channels(checkpoint, configs),
        schedulers=schedulers(checkpoint, found, path, key),
    )


def files_within(path: Path, checkpoint: Checkpoint, key: str) -> dict[str, Path]:
    """Name within the checkpoint -> file; those of shared components may be in another folder.

    Raises:
        WeightsError: one is a pipe, a device or a socket, which would never end.
    """
    found = dict(_walk(path))
    for component, folder in shared_components(path, key).items():
        found |= {f"{component}/{name}": file for name, file in _walk(folder)}
    for file in found.values():
        # A link to nothing is told by its users: a folder may hold some that nobody reads.
        if file.exists() and not (file.is_file() or file.is_dir()):
            raise WeightsError(key, file, "is no regular file", "a whole checkpoint")
    return {name: file for name, file in found.items() if name != FILE}


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name, file) of the files of a checkpoint: those of the folder, and of its components."""
    for path in folder.iterdir():
        if path.is_dir():
            yield from ((f"{path.name}/{file.name}", file) for file in path.iterdir())
        else:
            yield path.name, path


def _used(
    found: Mapping[str, Path],
    checkpoint: Checkpoint,
    weights: Mapping[str, WeightFiles],
    key: str,
) -> dict[str, Path]:
    """The files that decide the pixels."""
    names = {*other_files(found, checkpoint.without)}
    for one in weights.values():
        names |= {*one.files}
    for name in names:
        if not found[name].is_file():
            raise WeightsError(key, found[name], "is a link to nothing", "a whole checkpoint")
    return {name: found[name] for name in sorted(names)}


def _weights_of(
    module: str,
    found: Mapping[str, Path],
    path: Path,
    variant: str | None,
    precision: Precision,
    key: str,
) -> WeightFiles:
    folder = path / module
    if config_name(module) not in found:
        raise WeightsError(
            key, path / config_name(module), "is not there",
            "a checkpoint folder in diffusers layout",
        )  # fmt: skip
    weights = choose_weight_files(found, module, variant, precision)
    if weights is None:
        there = sorted({str(w.variant or "null") for w in find_weight_files(found, module)})
        if variant is not None and there:
            raise WeightsError(
                key, folder, f"has no weights of the variant {variant!r}",
                f"variant: {', '.join(there)}",
            )  # fmt: skip
        what = f"has no weights but of the variants {', '.join(there)}" if there else None
        raise WeightsError(key, folder, what or "has no weights", "*.safetensors")
    for name in weights.missing:
        raise WeightsError(key, path / name, "is not there", "all shards and their index")
    return weights


def _headers(weights: WeightFiles, found: Mapping[str, Path], key: str) -> list[Header]:
    read = read_pickled_header if weights.pickled else read_header
    headers = []
    for name in weights.files:
        try:
            headers.append(read(found[name]))
        except DamagedFileError as error:
            allowed = "a whole file: copy it again"
            if weights.pickled:
                allowed = "safetensors, or a dictionary of tensors by torch.save"
            raise WeightsError(key, found[name], str(error), allowed) from error
        except OSError as error:
            raise WeightsError(key, found[name], f"cannot be read: {error.strerror}") from error
    return headers


def _size(headers: Sequence[Header], checkpoint: Checkpoint) -> ModuleSize:
    shapes = {name: shape for one in headers for name, shape in one.shapes.items()}
    numbers = {name: prod(shape) for name, shape in shapes.items()}
    kept = {n for n in numbers if any(part in n for part in checkpoint.keeps_float32)}
    return ModuleSize(
        sum(one.parameters for one in headers),
        sum(numbers[name] for name in kept),
        max(numbers.values(), default=0),
        count_taken(shapes, checkpoint.unquantized),
    )
