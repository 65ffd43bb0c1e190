"""The attention processors of a live pipeline: which class each layer gets, and setting it."""

from __future__ import annotations

from typing import Any

import torch

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


def set_attention(pipeline: Any, backend: str, slice_size: int | None) -> None:
    """Give every attention layer of every module the backend's processor.

    Each layer is set by its kind: the 2.x UNets attend to added key and value projections, which
    only the AddedKV classes know; diffusers' own shortcuts leave out modules or fall back silently.
    """
    for module in _attention_modules(pipeline):
        processors = {
            name: _processor(backend, layer, slice_size) for name, layer in attention_layers(module)
        }
        for name, layer in attention_layers(module):
            layer.set_processor(processors[name])


def _attention_modules(pipeline: Any) -> list[Any]:
    return [m for m in pipeline.components.values() if is_module(m) and attention_layers(m)]


def attention_layers(module: Any) -> list[tuple[str, Any]]:
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


def is_module(component: Any) -> bool:
    return isinstance(component, torch.nn.Module)
