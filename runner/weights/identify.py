"""Tells what a checkpoint's weights are, by their tensors and configs, not by class names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.catalog.checkpoint import Checkpoint, Layout, Trait
from runner.errors import WeightsError
from runner.weights.safetensors_header import Header
from runner.weights.settings import config_name, read_json


def check_weights(
    path: Path,
    checkpoint: Checkpoint,
    headers: Mapping[str, list[Header]],
    configs: Mapping[str, dict[str, Any]],
    key: str,
) -> None:
    """Raises WeightsError where the weights are those of another model."""
    for trait in checkpoint.traits:
        shapes = {name: s for header in headers[trait.module] for name, s in header.shapes.items()}
        if problem := _problem(trait, shapes, configs[trait.module]):
            raise _another(key, path, problem, checkpoint)
    if checkpoint.layout is Layout.transformers:
        _check_architecture(path, checkpoint, configs["."], key)
    for module, config in configs.items():
        _check_unquantized(path / config_name(module), config, key)


def check_configs(path: Path, checkpoint: Checkpoint, key: str) -> None:
    """Check those configs that are in the folder already, before its weights are.

    Raises:
        WeightsError: they are of another model.
    """
    for trait in checkpoint.traits:
        file = path / config_name(trait.module)
        said = read_json(file, key).get(trait.meaning) if file.is_file() else trait.in_config
        _check_unquantized(file, read_json(file, key) if file.is_file() else {}, key)
        if trait.axis is not None and said != trait.in_config:
            raise _another(key, path, f"{trait.meaning} of its {trait.module} is {said}, not "
                           f"{trait.in_config}", checkpoint)  # fmt: skip
    if checkpoint.layout is Layout.transformers and (path / "config.json").is_file():
        _check_architecture(path, checkpoint, read_json(path / "config.json", key), key)


def _check_unquantized(file: Path, config: Mapping[str, Any], key: str) -> None:
    """Weights that were quantised when they were written are of a library's own format, on a device
    of its choice, which nothing here could read back."""
    told = config.get("quantization_config")
    if told is not None:
        method = told.get("quant_method", "unknown") if isinstance(told, dict) else told
        raise WeightsError(
            key, file, f"says that its weights are quantised already, by {method}",
            "weights as they were before; quantize.text, quantize.prior and quantize.denoiser "
            "quantise them",
        )  # fmt: skip


def _problem(
    trait: Trait, shapes: Mapping[str, tuple[int, ...]], config: Mapping[str, Any]
) -> str | None:
    shape = shapes.get(trait.tensor)
    if shape is None:
        return f"its {trait.module} has no {trait.tensor}"
    if trait.axis is None:
        return None
    own = shape[trait.axis] if trait.axis < len(shape) else None
    if own != trait.size and trait.said is not None:
        return (
            f"{trait.meaning} of its {trait.module} is not {trait.said}: its {trait.tensor} reads "
            f"{own} numbers, not {trait.size}"
        )
    if own != trait.size:
        return f"{trait.meaning} of its {trait.module} is {own}, not {trait.size}"
    said = config.get(trait.meaning)
    if said != trait.in_config:
        return (
            f"{trait.meaning} of its {trait.module} is {trait.in_config} in its weights, "
            f"and {said} in its config.json"
        )
    return None


def _check_architecture(
    path: Path, checkpoint: Checkpoint, config: Mapping[str, Any], key: str
) -> None:
    architecture = next(iter(config.get("architectures") or []), None)
    if architecture not in checkpoint.architectures:
        raise WeightsError(
            key, path, f"holds a {architecture}", " or ".join(checkpoint.architectures)
        )


def _another(key: str, path: Path, problem: str, checkpoint: Checkpoint) -> WeightsError:
    return WeightsError(
        key, path, f"is another model: {problem}", f"weights like those of {checkpoint.repo}"
    )
