"""Checks a checkpoint's folder in diffusers layout, by its JSON files and the weights' headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.catalog.checkpoint import Checkpoint, Layout
from runner.config.choices import Precision
from runner.errors import WeightsError
from runner.weights.components import INDEX_FILES, missing_files
from runner.weights.files import WeightFiles, choose_weight_files, find_weight_files, other_files
from runner.weights.hashes import FileHashes, fingerprint
from runner.weights.identify import check_weights
from runner.weights.pickled import converted_file, read_pickled_header
from runner.weights.safetensors_header import DamagedFileError, Header, read_header
from runner.weights.settings import config_name, read_json
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
        parameters: number of parameters of each module.
        bytes: size of its weights on disk.
        native_size: pixels the denoiser was trained at; None where unknown.
        embedding_size: width of the image embedding that passes from prior to decoder.
        schedulers: scheduler name -> the contents of its scheduler_config.json; "" is the
            checkpoint's main one.
    """

    path: Path
    files: Mapping[str, Path]
    weights: Mapping[str, WeightFiles]
    converted: Mapping[str, Path]
    fingerprint: str
    parameters: dict[str, int]
    bytes: int
    native_size: int | None
    embedding_size: int | None
    schedulers: dict[str, dict[str, Any]]

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
            if not target.is_file()
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
            than tensors.
    """
    read_json(path / INDEX_FILES[checkpoint.layout], key)
    found = files_within(path, checkpoint, key)
    weights = {
        module: _weights_of(module, found, path, variant, precision, key)
        for module in checkpoint.modules
    }
    headers = {module: _headers(one, found, key) for module, one in weights.items()}
    configs = {
        module: read_json(found.get(config_name(module), path / config_name(module)), key)
        for module in checkpoint.modules
    }
    check_weights(path, checkpoint, headers, configs, key)
    for name in missing_files(_read_index(found, checkpoint, key), checkpoint, found):
        raise WeightsError(key, path / name, "is not there", "a whole checkpoint: copy it again")
    used = _used(found, checkpoint, weights)
    sha256 = {name: hashes.sha256(file) for name, file in used.items()}
    return CheckedFolder(
        path=path,
        files=used,
        weights=weights,
        converted={
            module: converted_file([sha256[name] for name in one.files])
            for module, one in weights.items()
            if one.pickled
        },
        fingerprint=fingerprint(sha256.items()),
        parameters={m: sum(h.parameters for h in held) for m, held in headers.items()},
        bytes=sum(header.bytes for held in headers.values() for header in held),
        native_size=_native_size(checkpoint, configs),
        embedding_size=_embedding_size(checkpoint, configs),
        schedulers=_schedulers(checkpoint, found, path, key),
    )


def files_within(path: Path, checkpoint: Checkpoint, key: str) -> dict[str, Path]:
    """Name within the checkpoint -> file; those of shared components may be in another folder."""
    found = dict(_walk(path))
    for component, folder in shared_components(path, key).items():
        found |= {f"{component}/{name}": file for name, file in _walk(folder)}
    return {name: file for name, file in found.items() if name != FILE}


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name, file) of the files of a checkpoint: those of the folder, and of its components."""
    for path in folder.iterdir():
        if path.is_dir():
            yield from ((f"{path.name}/{file.name}", file) for file in path.iterdir())
        else:
            yield path.name, path


def _used(
    found: Mapping[str, Path], checkpoint: Checkpoint, weights: Mapping[str, WeightFiles]
) -> dict[str, Path]:
    """The files that decide the pixels."""
    names = {*other_files(found, checkpoint.without)}
    for one in weights.values():
        names |= {*one.files}
    return {name: found[name] for name in sorted(names) if found[name].is_file()}


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
            raise WeightsError(
                key, found[name], str(error), "a whole file: copy it again"
            ) from error
        except OSError as error:
            raise WeightsError(key, found[name], f"cannot be read: {error.strerror}") from error
    return headers


def _read_index(found: Mapping[str, Path], checkpoint: Checkpoint, key: str) -> dict[str, Any]:
    return read_json(found[INDEX_FILES[checkpoint.layout]], key)


def _schedulers(
    checkpoint: Checkpoint, found: Mapping[str, Path], path: Path, key: str
) -> dict[str, dict[str, Any]]:
    if checkpoint.layout is not Layout.diffusers:
        return {}
    folders = {"": "scheduler", **checkpoint.scheduler_folders}
    files = {name: f"{folder}/scheduler_config.json" for name, folder in folders.items()}
    return {
        name: read_json(found.get(file, path / file), key)
        for name, file in files.items()
        if not name or file in found
    }


def _native_size(checkpoint: Checkpoint, configs: Mapping[str, dict[str, Any]]) -> int | None:
    """The denoiser's latent size times the autoencoder's scale: 64 x 8 for the published 2.2."""
    if checkpoint.autoencoder is None:
        return None
    latent = configs[checkpoint.denoiser].get("sample_size")
    blocks = configs[checkpoint.autoencoder].get("block_out_channels")
    if not isinstance(latent, int) or not isinstance(blocks, list):
        return None
    return latent * int(2 ** (len(blocks) - 1))


def _embedding_size(checkpoint: Checkpoint, configs: Mapping[str, dict[str, Any]]) -> int | None:
    if checkpoint.embedding is None:
        return None
    module, name = checkpoint.embedding
    size = configs[module].get(name)
    return size if isinstance(size, int) else None
