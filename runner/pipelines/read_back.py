"""Reads a live pipeline's settings back and compares them with the requested ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from runner.catalog.attention import ATTENTION
from runner.catalog.offload import Offload
from runner.errors import StageError
from runner.graph.node import LoraSpec, PipelineSpec
from runner.pipelines import compilation, loras, offload, quantization
from runner.pipelines.attention import attention_layers, is_module, name_of, names_of
from runner.pipelines.scheduler_swap import scheduler_settings
from runner.weights.found import FoundLora


def _accelerator(device: torch.device) -> dict[str, Any] | None:
    """The GPU, and whether it rounds fp32 to TF32, as is torch's default for convolutions."""
    if device.type != "cuda":
        return None
    return {
        "name": torch.cuda.get_device_name(device),
        "memory_mb": torch.cuda.get_device_properties(device).total_memory / 2**20,
        "cuda": torch.version.cuda or torch.version.hip,
        "tf32": {
            "convolutions": torch.backends.cudnn.allow_tf32,
            "products": torch.backends.cuda.matmul.allow_tf32,
        },
    }


def read_back(
    pipeline: Any, left: Sequence[str] = (), asked: Sequence[LoraSpec] = ()
) -> dict[str, Any]:
    """The live pipeline's actual settings, as plain values for the log.

    Args:
        left: layers that no method of quantisation takes (`Checkpoint.unquantized`).
        asked: LoRAs that were asked for.
    """
    modules = {name: m for name, m in pipeline.components.items() if is_module(m)}
    scheduler = pipeline.scheduler
    quantized = quantization.read_back(modules, left)
    return {
        "pipeline": type(pipeline).__name__,
        "scheduler": type(scheduler).__name__ if scheduler is not None else None,
        "scheduler_config": scheduler_settings(scheduler) if scheduler is not None else None,
        "dtype": {name: str(m.dtype).removeprefix("torch.") for name, m in modules.items()},
        "device": {name: str(m.device) for name, m in modules.items()},
        "weights_mb": {name: quantization.held_bytes(m) / 2**20 for name, m in modules.items()},
        "execution_device": str(pipeline._execution_device),
        "accelerator": _accelerator(torch.device(pipeline._execution_device)),
        "attention": {
            name: dict(Counter(name_of(layer.processor) for layer, _ in layers))
            for name, m in modules.items()
            if (layers := attention_layers(m))
        },
        "compile": {name: compilation.read_back(m) for name, m in modules.items()},
        "offloaded": offload.offloaded(pipeline),
        **({"loras": held} if (held := _loras(modules, asked)) else {}),
        **({"quantized": quantized} if quantized else {}),
    }


def _loras(
    modules: Mapping[str, Any], asked: Sequence[LoraSpec]
) -> dict[str, list[dict[str, Any]]]:
    """Those that each module computes with; without modules that have none."""
    found = {name: loras.read_back(module, asked) for name, module in modules.items()}
    return {name: held for name, held in found.items() if held}


def check(
    spec: PipelineSpec,
    pipeline: Any,
    mode: Offload,
    found: dict[str, Any],
    files: Mapping[str, FoundLora],
) -> None:
    """Raises StageError where a setting read back differs from the requested one.

    Args:
        files: of LoRAs, by hash.
    """
    loras.check_loras(found.get("loras", {}), spec.loras, files)
    expected = names_of(ATTENTION[spec.attention])
    for name, classes in found["attention"].items():
        if wrong := set(classes) - expected:
            raise StageError(f"attention={spec.attention}: {name} uses {', '.join(sorted(wrong))}")
    for name, dtype in found["dtype"].items():
        if dtype != spec.dtype:
            raise StageError(f"precision: {name} is {dtype} where {spec.dtype} was asked for")
    quantization.check(spec.quantized, found.get("quantized", {}))
    kind = torch.device(found["execution_device"]).type
    if kind != spec.device:
        raise StageError(f"device: {spec.pipeline} is on {kind} where {spec.device} was asked for")
    left = set(offload.expected_offloaded(pipeline, mode)) - set(found["offloaded"])
    if left:
        raise StageError(f"offload={mode.name}: has no effect on {', '.join(sorted(left))}")
