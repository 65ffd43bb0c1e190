"""Checks a checkpoint's folder in diffusers layout, by its JSON files and safetensors headers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.catalog.checkpoint import Checkpoint, Layout
from runner.errors import WeightsError
from runner.weights.hashes import FileHashes, fingerprint
from runner.weights.safetensors_header import DamagedFileError, read_header
from runner.weights.shared import FILE, component_folder, shared_components

INDEX_FILES = {Layout.diffusers: "model_index.json", Layout.transformers: "config.json"}
"""The file that names a folder's classes."""

IDENTITY_SUFFIXES = (".json", ".txt", ".model", ".safetensors")
"""The files of a folder that decide the pixels; its README and pictures do not."""


@dataclass(frozen=True)
class CheckedFolder:
    """A folder that holds the checkpoint that the catalog describes.

    Attributes:
        fingerprint: hash of all files that decide the pixels, of the components that are used;
            independent of the folder's path.
        parameters: number of parameters of each module.
        bytes: size of its weights on disk.
        native_size: pixels the denoiser was trained at; None where unknown.
        embedding_size: width of the image embedding that passes from prior to decoder.
        schedulers: scheduler name -> the contents of its scheduler_config.json; "" is the
            checkpoint's main one.
    """

    path: Path
    fingerprint: str
    parameters: dict[str, int]
    bytes: int
    native_size: int | None
    embedding_size: int | None
    schedulers: dict[str, dict[str, Any]]


def check_folder(
    path: Path, checkpoint: Checkpoint, variant: str | None, key: str, hashes: FileHashes
) -> CheckedFolder:
    """Check that `path` holds the complete checkpoint.

    Raises:
        WeightsError: files are missing, unreadable, truncated, of another model, or not
            safetensors.
    """
    index = _read_json(path / INDEX_FILES[checkpoint.layout], key)
    if checkpoint.layout is Layout.diffusers:
        found = index.get("_class_name")
    else:
        found = next(iter(index.get("architectures") or []), None)
    if found not in checkpoint.accepts:
        raise WeightsError(key, path, f"holds a {found}", " or ".join(checkpoint.accepts))
    parameters: dict[str, int] = {}
    size = 0
    for module in checkpoint.modules:
        counted, counted_bytes = _check_module(component_folder(path, module, key), variant, key)
        parameters[module] = counted
        size += counted_bytes
    files = _identity_files(path, variant, checkpoint.without, key)
    return CheckedFolder(
        path=path,
        fingerprint=fingerprint((name, hashes.sha256(file)) for name, file in files),
        parameters=parameters,
        bytes=size,
        native_size=_native_size(path, checkpoint, key),
        embedding_size=_embedding_size(path, checkpoint, key),
        schedulers=_schedulers(path, checkpoint, key),
    )


def _schedulers(path: Path, checkpoint: Checkpoint, key: str) -> dict[str, dict[str, Any]]:
    if checkpoint.layout is not Layout.diffusers:
        return {}
    folders = {"": "scheduler", **checkpoint.scheduler_folders}
    return {
        name: _read_json(component_folder(path, folder, key) / "scheduler_config.json", key)
        for name, folder in folders.items()
        if not name or (path / folder).is_dir()
    }


def _check_module(folder: Path, variant: str | None, key: str) -> tuple[int, int]:
    """(parameters, bytes) of one module's weight files."""
    _read_json(folder / "config.json", key)
    weights = _weight_files(folder, variant)
    if not weights:
        if variant is not None and _weight_files(folder, None):
            raise WeightsError(key, folder, f"has no safetensors file of the variant {variant!r}")
        pickled = next(iter(sorted(folder.glob("*.bin"))), None)
        if pickled is not None:
            raise WeightsError(key, pickled, "is pickled, which is never loaded", "*.safetensors")
        raise WeightsError(key, folder, "has no weights", "*.safetensors")
    parameters = 0
    size = 0
    for file in weights:
        try:
            header = read_header(file)
        except DamagedFileError as error:
            raise WeightsError(key, file, str(error), "a whole file: copy it again") from error
        except OSError as error:
            raise WeightsError(key, file, f"cannot be read: {error.strerror}") from error
        parameters += header.parameters
        size += header.bytes
    return parameters, size


def _weight_files(folder: Path, variant: str | None) -> list[Path]:
    """The files diffusers would load: `model.safetensors`, `model.fp16.safetensors`, shards."""
    return [file for file in sorted(folder.glob("*.safetensors")) if _is_of_variant(file, variant)]


def _is_of_variant(file: Path, variant: str | None) -> bool:
    parts = file.name.removesuffix(".safetensors").split(".")
    named = parts[1].split("-")[0] if len(parts) > 1 else None
    return named == variant


def _identity_files(
    path: Path, variant: str | None, without: tuple[str, ...], key: str
) -> list[tuple[str, Path]]:
    """(name within the checkpoint, file); shared files may be in another folder."""
    files = [(file.relative_to(path), file) for file in path.rglob("*")]
    for component, folder in shared_components(path, key).items():
        files += [(component / file.relative_to(folder), file) for file in folder.rglob("*")]
    return [
        (str(name), file)
        for name, file in files
        if file.suffix in IDENTITY_SUFFIXES
        and file.is_file()
        and name != Path(FILE)
        and not any(part.startswith(".") for part in name.parts)
        and name.parts[0] not in without
        and (file.suffix != ".safetensors" or _is_of_variant(file, variant))
    ]


def _native_size(path: Path, checkpoint: Checkpoint, key: str) -> int | None:
    """The denoiser's latent size times the autoencoder's scale: 64 x 8 for the published 2.2."""
    if checkpoint.autoencoder is None:
        return None
    latent = _config(path, checkpoint.denoiser, key).get("sample_size")
    blocks = _config(path, checkpoint.autoencoder, key).get("block_out_channels")
    if not isinstance(latent, int) or not isinstance(blocks, list):
        return None
    return latent * int(2 ** (len(blocks) - 1))


def _embedding_size(path: Path, checkpoint: Checkpoint, key: str) -> int | None:
    if checkpoint.embedding is None:
        return None
    module, name = checkpoint.embedding
    size = _config(path, module, key).get(name)
    return size if isinstance(size, int) else None


def _config(path: Path, module: str, key: str) -> dict[str, Any]:
    return _read_json(component_folder(path, module, key) / "config.json", key)


def _read_json(path: Path, key: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(
            key, path, "is not there", "a checkpoint folder in diffusers layout"
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise WeightsError(key, path, f"cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise WeightsError(key, path, "is not a JSON object")
    return content
