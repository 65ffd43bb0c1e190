"""Device and attention of a live pipeline: set, then all that was asked for read back."""

from __future__ import annotations

import gc
from collections import Counter
from typing import Any

import torch

from runner.config.choices import OffloadMode
from runner.errors import StageError
from runner.graph.graph import PipelineSpec
from runner.pipelines import compilation, offload
from runner.pipelines.scheduler_swap import scheduler_settings

ATTENTION_CLASSES = {
    # backend: (with added key/value projections, as in the 2.x UNets; with a spatial norm, as in
    # the MoVQ's decoder; all others)
    "sdpa": ("AttnAddedKVProcessor2_0", "AttnProcessor2_0", "AttnProcessor2_0"),
    "plain": ("AttnAddedKVProcessor", "AttnProcessor", "AttnProcessor"),
    # diffusers' SlicedAttnProcessor leaves the spatial norm out: wrong colours. One head is there
    # to slice anyway.
    "sliced": ("SlicedAttnAddedKVProcessor", "AttnProcessor2_0", "SlicedAttnProcessor"),
    "xformers": ("XFormersAttnAddedKVProcessor", "XFormersAttnProcessor", "XFormersAttnProcessor"),
}


def set_threads(threads: int) -> None:
    """CPU threads of torch, for this process."""
    torch.set_num_threads(threads)
    if torch.get_num_threads() != threads:
        raise StageError(f"threads={threads}: torch uses {torch.get_num_threads()}")


def _accelerator(device: torch.device) -> dict[str, Any] | None:
    """The GPU, and whether fp32 is rounded to TF32 on it: torch's default for convolutions."""
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


def check_device(device: str) -> None:
    """Ask torch for the device that the plan settled on. Raises StageError where it has none."""
    kind, _, index = device.partition(":")
    if kind == "cuda":
        there = torch.cuda.is_available() and int(index or 0) < torch.cuda.device_count()
    else:
        there = kind == "cpu" or torch.backends.mps.is_available()
    if not there:
        raise StageError(f"device={device}: torch {torch.__version__} finds none here")


def set_attention(pipeline: Any, backend: str, slice_size: int | None) -> None:
    """Give every attention layer of every module the backend's processor.

    Each layer is set by its kind: the 2.x UNets attend to added key and value projections, which
    only the AddedKV classes know; diffusers' own shortcuts leave out modules or fall back silently.
    """
    for module in _attention_modules(pipeline):
        processors = {
            name: _processor(backend, layer, slice_size)
            for name, layer in _attention_layers(module)
        }
        for name, layer in _attention_layers(module):
            layer.set_processor(processors[name])


def read_back(pipeline: Any) -> dict[str, Any]:
    """What the live pipeline really is, in plain values for the log."""
    modules = {name: m for name, m in pipeline.components.items() if _is_module(m)}
    scheduler = pipeline.scheduler
    return {
        "pipeline": type(pipeline).__name__,
        "scheduler": type(scheduler).__name__ if scheduler is not None else None,
        "scheduler_config": scheduler_settings(scheduler) if scheduler is not None else None,
        "dtype": {name: str(m.dtype).removeprefix("torch.") for name, m in modules.items()},
        "device": {name: str(m.device) for name, m in modules.items()},
        "execution_device": str(pipeline._execution_device),
        "accelerator": _accelerator(torch.device(pipeline._execution_device)),
        "attention": {
            name: dict(Counter(type(layer.processor).__name__ for _, layer in layers))
            for name, m in modules.items()
            if (layers := _attention_layers(m))
        },
        "compile": {name: compilation.read_back(m) for name, m in modules.items()},
        "offloaded": offload.offloaded(pipeline),
    }


def check(spec: PipelineSpec, pipeline: Any, mode: OffloadMode, found: dict[str, Any]) -> None:
    """Raises StageError where what was read back is not what was asked for."""
    expected = set(ATTENTION_CLASSES[spec.attention])
    for name, classes in found["attention"].items():
        if wrong := set(classes) - expected:
            raise StageError(f"attention={spec.attention}: {name} uses {', '.join(sorted(wrong))}")
    for name, dtype in found["dtype"].items():
        if dtype != spec.dtype:
            raise StageError(f"precision: {name} is {dtype} where {spec.dtype} was asked for")
    kind = torch.device(found["execution_device"]).type
    if kind != spec.device:
        raise StageError(f"device: {spec.pipeline} is on {kind} where {spec.device} was asked for")
    left = set(offload.expected_offloaded(pipeline, mode)) - set(found["offloaded"])
    if left:
        raise StageError(f"offload={mode.name}: has no effect on {', '.join(sorted(left))}")


def free_memory(device: str) -> None:
    """Give back what was let go of."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()


def peak_memory_bytes(device: str) -> int | None:
    """Peak device memory since the last call, then starts anew; None without an accelerator."""
    if not device.startswith("cuda"):
        return None
    peak = int(torch.cuda.max_memory_allocated(device))
    torch.cuda.reset_peak_memory_stats(device)
    return peak


def _attention_modules(pipeline: Any) -> list[Any]:
    return [m for m in pipeline.components.values() if _is_module(m) and _attention_layers(m)]


def _attention_layers(module: Any) -> list[tuple[str, Any]]:
    """diffusers' own attention layers; transformers' encoders have none."""
    from diffusers.models.attention_processor import Attention

    return [(name, m) for name, m in module.named_modules() if isinstance(m, Attention)]


def _processor(backend: str, layer: Any, slice_size: int | None) -> Any:
    from diffusers.models import attention_processor

    added_kv, spatial_norm, other = ATTENTION_CLASSES[backend]
    if layer.added_kv_proj_dim is not None:
        name = added_kv
    else:
        name = other if layer.spatial_norm is None else spatial_norm
    processor_class = getattr(attention_processor, name)
    if name.startswith("Sliced"):
        return processor_class(min(slice_size or max(layer.heads // 2, 1), layer.heads))
    return processor_class()


def _is_module(component: Any) -> bool:
    return isinstance(component, torch.nn.Module)
