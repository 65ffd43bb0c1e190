"""Random weights: checkpoints of which the package has the configs alone.

`release/` holds the configs of the published repositories, in their layout, and `release/README.md`
where each comes from; `sizes.json` the numbers of each module's weights, which only torch can
count. The weights are made by `runner.pipelines.random_weights`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from runner.catalog.checkpoint import Checkpoint, Layout
from runner.catalog.memory import ModuleSize
from runner.catalog.quantization import METHODS, Taken
from runner.config.choices import RandomSize
from runner.weights.components import INDEX_FILES
from runner.weights.facts import embedding_size, last_channels, native_size, schedulers
from runner.weights.files import other_files
from runner.weights.folder import CheckedFolder, files_within
from runner.weights.hashes import fingerprint
from runner.weights.settings import config_name, read_json

RELEASE_DIR = Path(__file__).resolve().parent / "release"
INITIALISATION = 1
"""Part of the weights' identity. To be raised when other numbers are made from the same configs."""

TINY = "tiny.json"
"""Class -> what tiny ones change of its config."""
TINY_PIXELS = 64


def random_checkpoint(checkpoint: Checkpoint, size: RandomSize, key: str) -> CheckedFolder:
    """A checkpoint of random weights, which has no files of weights.

    Args:
        key: the config key that asks for it, for messages.
    """
    path = RELEASE_DIR / checkpoint.folder
    found = files_within(path, checkpoint, key)
    files = {name: found[name] for name in sorted(other_files(found, checkpoint.without))}
    configs = {
        module: component_config(files, checkpoint, module, size) for module in checkpoint.modules
    }
    return CheckedFolder(
        path=path,
        files=files,
        weights={},
        converted={},
        fingerprint=_identity(files, size),
        sizes={module: _size(files[config_name(module)], size) for module in checkpoint.modules},
        bytes=0,
        native_size=TINY_PIXELS if size is RandomSize.tiny and checkpoint.autoencoder
        else native_size(checkpoint, configs),
        embedding_size=embedding_size(checkpoint, configs),
        channels=last_channels(checkpoint, configs),
        schedulers=schedulers(checkpoint, files, path, key),
    )  # fmt: skip


def component_class(
    files: Mapping[str, Path], checkpoint: Checkpoint, component: str
) -> tuple[str, str]:
    """Library and class of a component, as its checkpoint's index names them."""
    index = read_json(files[INDEX_FILES[checkpoint.layout]], "weights")
    if checkpoint.layout is Layout.transformers:
        return "transformers", str(index["architectures"][0])
    library, name = index[component]
    return str(library), str(name)


def component_config(
    files: Mapping[str, Path], checkpoint: Checkpoint, module: str, size: RandomSize
) -> dict[str, Any]:
    """The config of a module, in the size that is asked for."""
    config = read_json(files[config_name(module)], "weights")
    return resized(config, component_class(files, checkpoint, module)[1], size, files)


def resized(
    config: dict[str, Any], class_name: str, size: RandomSize, files: Mapping[str, Path]
) -> dict[str, Any]:
    """A component's config, in the size that is asked for.

    Args:
        files: of its checkpoint, which may say itself what tiny ones are.
    """
    if size is RandomSize.release:
        return config
    told = read_json(files.get(TINY, RELEASE_DIR / TINY), "weights")
    changed: dict[str, Any] = told.get(class_name, {})
    return {**config, **changed}


def _identity(files: Mapping[str, Path], size: RandomSize) -> str:
    """Of the same form as a fingerprint of files, and equal to that of none."""
    read = {name: file for name, file in files.items() if name != TINY}
    if size is RandomSize.tiny:
        read[TINY] = files.get(TINY, RELEASE_DIR / TINY)
    hashes = [(name, hashlib.sha256(file.read_bytes()).hexdigest()) for name, file in read.items()]
    return fingerprint([*hashes, (f"random weights, {size.name}", str(INITIALISATION))])


def _size(config: Path, size: RandomSize) -> ModuleSize:
    found = _sizes()[size.name][str(config.parent.relative_to(RELEASE_DIR))]
    numbers, kept, largest, *quantized = found
    taken = (Taken(*one) for one in quantized)
    return ModuleSize(numbers, kept, largest, dict(zip(METHODS, taken, strict=False)))


@cache
def _sizes() -> dict[str, dict[str, list[Any]]]:
    """Size -> repository/module -> the numbers of a ModuleSize; at last, of a module that can be
    quantised, those of what each method takes.
    """
    found: dict[str, dict[str, list[Any]]] = json.loads((RELEASE_DIR / "sizes.json").read_text())
    return found
