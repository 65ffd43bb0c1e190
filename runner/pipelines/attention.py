"""Sets the attention processors of a live pipeline, by kind of layer."""

from __future__ import annotations

import importlib
from typing import Any

import torch

from runner.catalog.attention import ATTENTION, DISPATCHED, LAYERS, Attention, Layer
from runner.errors import StageError

ATTENDING = ("set_processor", "to_q", "to_query", "to_qkv")
"""Attributes by which an attention layer of diffusers is recognised."""


def set_attention(pipeline: Any, backend: str, slice_size: int | None) -> None:
    """Give every attention layer of every module the backend's processor.

    Each layer is set by its kind: the 2.x UNets attend to added key and value projections, which
    only the AddedKV classes know; diffusers' own shortcuts leave out modules or fall back silently.
    """
    row = ATTENTION[backend]
    for module in filter(is_module, pipeline.components.values()):
        for layer, kind in attention_layers(module):
            layer.set_processor(_processor(row, layer, kind, slice_size))


def attention_layers(module: Any) -> list[tuple[Any, Layer]]:
    """The attention layers of a diffusers model, and the kind of each; transformers' encoders
    have none.

    Raises:
        StageError: a layer's kind is not in the catalog, so no backend could be set on it.
    """
    found = []
    for layer in module.modules():
        kind = next((kind for kind in LAYERS if _is_of(layer, kind)), None)
        if kind is not None:
            found.append((layer, kind))
        elif _attends(layer):
            raise StageError(
                f"attention: {type(module).__name__} has layers of {type(layer).__name__}, "
                "which no backend is known for"
            )
    return found


def name_of(processor: Any) -> str:
    """A processor's class; of one that asks the dispatcher, with the backend that it asks for."""
    backend = getattr(processor, "_attention_backend", None)
    name = type(processor).__name__
    return name if backend is None else f"{name}({getattr(backend, 'value', backend)})"


def names_of(row: Attention) -> set[str]:
    """The names by `name_of` that a backend's processors may have."""
    return {
        f"{name}({row.dispatched})" if kind is DISPATCHED else name
        for kind, name in row.processors.items()
    }


def _is_of(layer: Any, kind: Layer) -> bool:
    classes = ((cls.__module__, cls.__name__) for cls in type(layer).__mro__)
    return (kind.module, kind.cls) in classes and (
        kind.having is None or getattr(layer, kind.having) is not None
    )


def _attends(layer: Any) -> bool:
    """Whether it looks like an attention layer of diffusers."""
    return type(layer).__module__.startswith("diffusers.") and any(
        hasattr(layer, name) for name in ATTENDING
    )


def _processor(backend: Attention, layer: Any, kind: Layer, slice_size: int | None) -> Any:
    if kind not in backend.processors:
        raise StageError(f"attention={backend.name}: cannot compute layers of {kind.cls}")
    processor = getattr(importlib.import_module(kind.module), backend.processors[kind])
    if kind in backend.sliced:
        return processor(min(slice_size or max(layer.heads // 2, 1), layer.heads))
    return _asking(processor(), backend) if kind is DISPATCHED else processor()


def _asking(processor: Any, backend: Attention) -> Any:
    """The processor, which asks the dispatcher for the backend.

    `set_attention_backend` of diffusers would do the same, and also make it the default of all
    pipelines of the process, which nothing undoes.
    """
    from diffusers.models import attention_dispatch

    asked = attention_dispatch.AttentionBackendName(backend.dispatched)
    try:
        attention_dispatch._check_attention_backend_requirements(asked)
    except (ImportError, RuntimeError) as error:
        raise StageError(f"attention={backend.name}: {error}") from error
    processor._attention_backend = asked
    return processor


def is_module(component: Any) -> bool:
    """Whether a component of a pipeline has weights."""
    return isinstance(component, torch.nn.Module)
