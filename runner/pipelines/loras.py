"""Adds LoRAs to a live module by diffusers' own loader, reads them back, and takes them out again
without a trace.

A module keeps its weights: peft wraps the layers that a LoRA changes, and adds its part at each
call. So cells with and without LoRAs share one module, and only what is wrapped changes.
"""

from __future__ import annotations

import hashlib
import importlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import safetensors.torch
import torch

from runner.catalog.offload import Moves, Offload
from runner.catalog.quantization import PACKAGES
from runner.errors import RunnerError, StageError
from runner.graph.node import LoraSpec, PipelineSpec
from runner.pipelines.quantization import KERNELS
from runner.system.imports import without
from runner.weights.found import FoundLora
from runner.weights.lora_names import LoraTensor, Part, read_names

PREFIX = "runner"
"""Before all names that are handed to diffusers, which takes alphas only where there is one."""
NAME_LENGTH = 16

_trainable: WeakKeyDictionary[torch.nn.Module, frozenset[str]] = WeakKeyDictionary()
"""Parameters that had gradients before peft turned them off."""


def set_loras(module: Any, specs: Sequence[LoraSpec], files: Mapping[str, FoundLora]) -> bool:
    """Give a module exactly these LoRAs, in this order, and none where there are none.

    Args:
        module: with LoRAs that were set in this way, or none.
        files: by the hash of the file.

    Returns:
        whether anything was changed.

    Raises:
        StageError: a file has changed since it was checked, or peft does other than was asked.
    """
    if not loras_differ(module, specs):
        return False
    names = [_name(spec) for spec in specs]
    if names != list(getattr(module, "peft_config", {})):
        remove_loras(module)
        for spec in specs:
            _load(module, _name(spec), files[spec.weights])
    if specs:
        module.set_adapters(names, [spec.weight for spec in specs])
    check_loras({"": read_back(module, specs)}, specs, files)
    return True


def can_switch(spec: PipelineSpec, mode: Offload) -> bool:
    """Whether LoRAs of a loaded module can be exchanged: nothing was compiled with its layers, and
    no hook is on them. Else it is loaded again for each set of them.
    """
    return not spec.is_compiled and mode.moves in (Moves.PIPELINE, Moves.MODULE)


def loras_differ(module: Any, specs: Sequence[LoraSpec]) -> bool:
    """Whether a module has other LoRAs than these, or with other weights."""
    held = [(own["name"], own["weights"]) for own in read_back(module, specs)]
    return held != [(_name(spec), [spec.weight]) for spec in specs]


def remove_loras(module: Any) -> None:
    """Take all LoRAs out: the layers are again those that were loaded."""
    if not hasattr(module, "peft_config"):
        return
    module.unload_lora()
    vars(module).pop("_hf_peft_config_loaded", None)
    had = _trainable.pop(module, frozenset())
    with torch.inference_mode():  # what was cast in it takes gradients in it alone
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(name in had)


def read_back(module: Any, specs: Sequence[LoraSpec] = ()) -> list[dict[str, Any]]:
    """The LoRAs that a live module computes with: rank, weight, and how many layers each wraps.

    Args:
        specs: those that were asked for: rounding makes one scale of several weights.
    """
    asked = {_name(spec): spec.weight for spec in specs}
    found: dict[str, dict[str, Any]] = {}
    for layer in _wrapped(module):
        for name in () if layer.disable_adapters else layer.active_adapters:
            if name in layer.scaling:
                own = found.setdefault(name, {"name": name, "ranks": set(), "weights": set()})
                own["ranks"].add(layer.r[name])
                own["weights"].add(_weight(layer, name, asked.get(name)))
                own["layers"] = own.get("layers", 0) + 1
    return [
        {**own, "ranks": sorted(own["ranks"]), "weights": sorted(own["weights"])}
        for own in found.values()
    ]


def check_loras(
    held: Mapping[str, Sequence[Mapping[str, Any]]],
    specs: Sequence[LoraSpec],
    files: Mapping[str, FoundLora],
) -> None:
    """Raises StageError where modules compute with other LoRAs than these.

    Args:
        held: module -> what `read_back` found.
    """
    found = {own["name"]: own for ones in held.values() for own in ones}
    if list(found) != [_name(spec) for spec in specs]:
        raise StageError(f"lora: {len(found)} are active where {len(specs)} were asked for")
    for spec in specs:
        file, own = files[spec.weights], found[_name(spec)]
        if own["layers"] != file.layers or tuple(own["ranks"]) != file.ranks:
            raise StageError(
                f"{file.key}: {own['layers']} layers of rank {own['ranks']} are changed, and "
                f"{file.path} has {file.layers} of rank {file.rank}"
            )
        if own["weights"] != [spec.weight]:
            raise StageError(f"{file.key}: weight {own['weights']}, and {spec.weight} was set")


def _name(spec: LoraSpec) -> str:
    """Its name for peft, which takes no dots."""
    return f"sha{spec.weights[:NAME_LENGTH]}"


def _wrapped(module: Any) -> Iterator[Any]:
    if not hasattr(module, "peft_config"):
        return iter(())
    from peft.tuners.lora import LoraLayer

    return (layer for layer in module.modules() if isinstance(layer, LoraLayer))


def _weight(layer: Any, name: str, asked: float | None) -> float:
    """The weight that was asked for, where it gives the layer's scale; else one near those that do.

    peft computes a scale as weight * alpha / rank, in this order, which cannot be undone to the
    last bit.
    """
    scale, alpha, rank = layer.scaling[name], layer.lora_alpha[name], layer.r[name]
    if alpha == 0:
        return float("nan")
    if asked is not None and asked * alpha / rank == scale:
        return asked
    found: float = scale * rank / alpha
    return found


def _load(module: Any, name: str, file: FoundLora) -> None:
    """Add a LoRA. It is active, with weight 1; those before it are not."""
    tensors = _tensors(file.path, file.sha256)
    if not hasattr(module, "peft_config"):
        _trainable[module] = frozenset(n for n, p in module.named_parameters() if p.requires_grad)
    _, told = read_names(tensors, (file.module,) if file.module else ())
    named = {one: tensors[given] for given, one in told.items()}
    parts = {one: tensor for one, tensor in named.items() if one.part is not Part.alpha}
    state = {f"{PREFIX}.{one.name}": tensor for one, tensor in parts.items()}
    alphas = {one.layer: _alpha(one.layer, named, file) for one in parts}
    try:
        if torch.distributed.is_available():
            # peft asks torch for it, and has it where transformers has imported it: not here
            # (`workers.setup.import_libraries`).
            importlib.import_module("torch.distributed.tensor")
        # peft would import what quantises, which may be of a version that it refuses.
        with without((*PACKAGES, KERNELS)), warnings.catch_warnings():
            # That there are several is meant.
            warnings.filterwarnings("ignore", message="Already found a `peft_config`")
            # Of 8-bit integers: nothing is merged.
            warnings.filterwarnings("ignore", message="TorchaoLoraLinear was instantiated")
            module.load_lora_adapter(
                state,
                prefix=PREFIX,
                adapter_name=name,
                network_alphas={f"{PREFIX}.{layer}.alpha": one for layer, one in alphas.items()},
                low_cpu_mem_usage=True,
            )
    except (RunnerError, torch.OutOfMemoryError):  # the latter: offload may be stepped down
        raise
    except Exception as error:
        said = str(error).strip().partition("\n")[0]
        raise StageError(
            f"{file.key}: {file.path} cannot be added to {type(module).__name__}: "
            f"{type(error).__name__}: {said}"
        ) from error
    module.eval()  # peft's layers begin as if they were trained
    _check_alphas(module, name, alphas, file)


def _tensors(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StageError(f"{path} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise StageError(f"{path} has changed since it was checked")
    found: dict[str, torch.Tensor] = safetensors.torch.load(content)
    return found


def _alpha(layer: str, tensors: Mapping[LoraTensor, torch.Tensor], file: FoundLora) -> float:
    """The alpha of a layer: that of a tensor, or of the file's metadata; else its rank."""
    told = tensors.get(LoraTensor(layer, Part.alpha))
    if told is not None:
        return float(told.item())
    for name, alpha in file.alphas:
        own = name.removeprefix("^")
        if layer == own or (own == name and layer.endswith(f".{own}")):
            return alpha
    return (
        float(tensors[LoraTensor(layer, Part.down)].shape[0]) if file.alpha is None else file.alpha
    )


def _check_alphas(module: Any, name: str, alphas: Mapping[str, float], file: FoundLora) -> None:
    """Raises StageError where peft has wrapped other layers, or taken other alphas."""
    found = {
        layer: part.lora_alpha[name]
        for layer, part in module.named_modules()
        if hasattr(part, "lora_alpha") and name in part.lora_alpha
    }
    if found != dict(alphas):
        wrong = next(k for k in {**alphas, **found} if alphas.get(k) != found.get(k))
        raise StageError(
            f"{file.key}: {wrong!r} has alpha {found.get(wrong)}, and {file.path} says "
            f"{alphas.get(wrong)}"
        )
