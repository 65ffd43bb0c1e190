"""Quantises live modules, layer by layer, and reads back what became of them.

What a method takes is a row of `runner.catalog.quantization`. Each is the library's own call:
diffusers' `enable_layerwise_casting` (of a text encoder: `apply_layerwise_casting`), torchao's
`quantize_` with `Int8WeightOnlyConfig`, and `Linear4bit` of bitsandbytes.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from runner.catalog.quantization import METHODS, Method
from runner.errors import StageError
from runner.system.imports import import_without

CASTING = "layerwise_casting"
"""The name of its hook in diffusers."""

KERNELS = "kernels"
"""A package by which bitsandbytes would fetch code from the hub when it is imported."""

UNQUANTIZED = "bytes_unquantized"
"""Attribute of a quantised module: the bytes that it took before."""


def quantize_modules(
    pipeline: Any,
    quantized: Sequence[tuple[str, str]],
    left: Sequence[str],
    dtype: torch.dtype,
    device: str,
) -> None:
    """Quantise modules of a pipeline in place.

    Each layer goes to the device by itself and is quantised there, so that the device never holds
    a module as it was.

    Args:
        quantized: module -> method.
        left: layers that are left alone (`Checkpoint.unquantized`).
        dtype: in which they compute.
        device: that they are on from then on.

    Raises:
        StageError: a library cannot.
    """
    for name, method_name in quantized:
        module, method = getattr(pipeline, name), METHODS[method_name]
        before = held_bytes(module)
        try:
            CALLS[method_name](module, method, left, dtype, device)
        except torch.OutOfMemoryError:
            raise  # offload may be stepped down
        except Exception as error:
            raise StageError(
                f"quantize: {name} cannot be quantised by {method_name}: "
                f"{type(error).__name__}: {error}"
            ) from error
        setattr(module, UNQUANTIZED, before)


def read_back(modules: Mapping[str, Any], left: Sequence[str]) -> dict[str, Any]:
    """Module -> what its layers are; only of modules that have quantised layers."""
    return {
        name: facts
        for name, module in modules.items()
        if (facts := _facts(module, left)) is not None
    }


def check(quantized: Sequence[tuple[str, str]], found: Mapping[str, Any]) -> None:
    """Raises StageError where what is read back is not what was asked for."""
    asked = dict(quantized)
    for name in sorted(asked.keys() | found.keys()):
        facts = found.get(name, {"layers": {}})
        method = asked.get(name)
        if set(facts["layers"]) != ({method} if method else set()):
            read = ", ".join(f"{n} layers {m}" for m, n in facts["layers"].items()) or "nothing"
            raise StageError(f"quantize: {name} has {read} where {method or 'none'} was asked for")
        if facts["missed"]:
            raise StageError(
                f"quantize: {method} left {facts['missed']} layers of {name} as it was"
            )


def held_bytes(*modules: nn.Module, kind: str | None = None) -> int:
    """Bytes of modules' weights, quantised or not, with the scales of those that are.

    Args:
        kind: of the device: weights elsewhere are not counted; None: all are.
    """
    tensors = {
        id(one): one
        for module in modules
        for one in (*module.parameters(), *module.buffers())
        if kind in (None, one.device.type)
    }
    return sum(map(_bytes, tensors.values()))


def _bytes(tensor: Any) -> int:
    parts = getattr(tensor, "tensor_data_names", None)  # torchao
    if parts is not None:
        return sum(int(getattr(tensor, part).nbytes) for part in parts)
    state = getattr(tensor, "quant_state", None)  # bitsandbytes
    scales = 0 if state is None else int(state.absmax.nbytes) + int(state.code.nbytes)
    return int(tensor.nbytes) + scales


def _cast(
    module: Any, method: Method, left: Sequence[str], dtype: torch.dtype, device: str
) -> None:
    from diffusers.hooks import apply_layerwise_casting

    skips = (*method.skips, *(re.escape(part.strip(".")) for part in left))
    given = {"storage_dtype": torch.float8_e4m3fn, "compute_dtype": dtype}
    if hasattr(module, "enable_layerwise_casting"):
        module.enable_layerwise_casting(skip_modules_pattern=skips, **given)
    else:
        # A text encoder's type is that of its embeddings, which its pipeline asks for.
        skips, classes = (*skips, "lm_head"), (nn.Embedding,)
        apply_layerwise_casting(
            module, skip_modules_pattern=skips, skip_modules_classes=classes, **given
        )
    for _, layer, _ in _layers(module):
        if _is_cast(layer):
            layer.compute_dtype = dtype  # peft: of what LoRAs add, which would be cast to 8 bits
    module.to(device)


def _to_int8(
    module: Any, method: Method, left: Sequence[str], dtype: torch.dtype, device: str
) -> None:
    torchao = _imported("torchao.quantization")
    paths = set(_taken(module, method, left))
    torchao.quantize_(
        module,
        # By default it changes how the whole process compiles, other cells' models, too.
        torchao.Int8WeightOnlyConfig(set_inductor_config=False),
        filter_fn=lambda _, path: path in paths,
        device=torch.device(device),
    )


def _to_nf4(
    module: Any, method: Method, left: Sequence[str], dtype: torch.dtype, device: str
) -> None:
    bitsandbytes = _imported("bitsandbytes")
    for path in list(_taken(module, method, left)):
        parent, _, name = path.rpartition(".")
        linear = module.get_submodule(path)
        made = bitsandbytes.nn.Linear4bit(
            linear.in_features,
            linear.out_features,
            bias=linear.bias is not None,
            compute_dtype=dtype,
            compress_statistics=False,  # as in diffusers and transformers, where nothing is said
            quant_type="nf4",
            device="meta",
        )
        made.weight = bitsandbytes.nn.Params4bit(
            linear.weight.data,
            requires_grad=False,
            compress_statistics=False,
            quant_type="nf4",
            module=made,
        )
        made.bias = linear.bias
        # On some CPUs it would round scales, and compute in bf16, for kernels from the hub.
        made.support_avx512bf16_for_cpu = False
        # Moved to a device, it is quantised.
        setattr(module.get_submodule(parent), name, made.to(device).eval())


CALLS: Mapping[str, Callable[..., None]] = {"fp8": _cast, "int8": _to_int8, "nf4": _to_nf4}
"""Method -> what quantises a module by it."""


def _taken(module: nn.Module, method: Method, left: Sequence[str]) -> Iterator[str]:
    for path, layer, dims in _layers(module):
        if dims == 2 and isinstance(layer, nn.Linear) and method.takes(path, dims, left):
            yield path


def _layers(module: nn.Module) -> Iterator[tuple[str, Any, int]]:
    """Path, layer and dimensions of its weight, of all layers that multiply; not those of LoRAs."""
    for wrapped, layer in module.named_modules():
        if hasattr(layer, "base_layer") or ".lora_" in wrapped:
            continue
        path, weight = wrapped.removesuffix(".base_layer"), getattr(layer, "weight", None)
        if isinstance(layer, nn.Linear):
            yield path, layer, 2  # also where its weight is packed
        elif isinstance(weight, torch.Tensor) and weight.dim() > 2:
            yield path, layer, weight.dim()


def _facts(module: nn.Module, left: Sequence[str]) -> dict[str, Any] | None:
    kinds = {path: _method_of(layer) for path, layer, _ in _layers(module)}
    layers = Counter(kind for kind in kinds.values() if kind is not None)
    if not layers:
        return None
    method = METHODS[next(iter(layers))]
    should = {path for path, _, dims in _layers(module) if method.takes(path, dims, left)}
    weights = Counter(
        f"{type(layer.weight).__name__} {str(_numbers(layer.weight).dtype).removeprefix('torch.')}"
        for path, layer, _ in _layers(module)
        if kinds[path] is not None
    )
    return {
        "layers": dict(layers),
        "missed": sum(kinds[path] is None for path in should),
        "of": len(kinds),
        "weights": dict(weights),
        "bytes_before": getattr(module, UNQUANTIZED, None),
        "bytes": held_bytes(module),
    }


def _method_of(layer: Any) -> str | None:
    """The method by which a live layer is quantised; None: it is not."""
    numbers = str(_numbers(layer.weight).dtype).removeprefix("torch.")
    for method in METHODS.values():
        if type(layer.weight).__name__ == method.weight and numbers == method.dtype:
            return method.name if method.weight != "Parameter" or _is_cast(layer) else None
    return None


def _numbers(weight: Any) -> torch.Tensor:
    """What a weight's numbers are kept in."""
    found: torch.Tensor = getattr(weight, "qdata", weight)
    return found


def _is_cast(layer: Any) -> bool:
    registry = getattr(layer, "_diffusers_hook", None)
    return registry is not None and registry.get_hook(CASTING) is not None


def _imported(name: str) -> Any:
    """A package, imported without what it says of kernels that are not for this machine."""

    def load() -> None:
        importlib.import_module(name)

    with _quiet():
        import_without((KERNELS,), load)
    return sys.modules[name]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
