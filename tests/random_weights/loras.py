"""Small random LoRAs for the checkpoints of tests, in the layouts that were published."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

ATTENTION = ("to_q", "to_k", "to_v", "add_k_proj", "add_v_proj", "to_out.0")
"""Layers that diffusers' scripts for Kandinsky 2.2 train."""
WIDE = (*ATTENTION, "conv1", "to_query", "to_value", "in_layer")
"""With convolutions, and layers of Kandinsky 5."""
METADATA = "lora_adapter_metadata"

Tensors = dict[str, torch.Tensor]


def lora_of(
    module: Path, ends: tuple[str, ...] = WIDE, *, rank: int = 2, seed: int = 0, scale: float = 0.3
) -> Tensors:
    """Parts for the layers of a module whose names end so, in peft's layout without a prefix."""
    given = torch.Generator().manual_seed(seed)
    found: Tensors = {}
    (file,) = module.glob("*.safetensors")
    for name, weights in sorted(load_file(file).items()):
        layer = name.removesuffix(".weight")
        if layer == name or not layer.endswith(ends) or weights.dim() not in (2, 4):
            continue
        kernel = [1] * (weights.dim() - 2)
        down = torch.randn(rank, *weights.shape[1:], generator=given)
        found[f"{layer}.lora_A.weight"] = scale * down
        found[f"{layer}.lora_B.weight"] = scale * torch.randn(
            weights.shape[0], rank, *kernel, generator=given
        )
    assert found, f"no layer of {module} ends so"
    return found


def written(file: Path, tensors: Mapping[str, torch.Tensor], prefix: str = "", **said: Any) -> Path:
    """The file, with a prefix before all names. `said`: fields of its metadata, as of peft."""
    named = {f"{prefix}{name}": tensor.contiguous() for name, tensor in tensors.items()}
    file.parent.mkdir(exist_ok=True, parents=True)
    save_file(named, file, metadata={METADATA: json.dumps(said)} if said else None)
    return file


def of_processors(tensors: Tensors) -> Tensors:
    """In the older layout, of `save_attn_procs` and LoRAAttnAddedKVProcessor."""

    def name(given: str) -> str:
        layer, part = given.split(".lora_")
        attention, _, own = layer.replace(".to_out.0", ".to_out").rpartition(".")
        return f"{attention}.processor.{own}_lora.{'down' if part[0] == 'A' else 'up'}.weight"

    return {name(given): tensor for given, tensor in tensors.items()}


def renamed(tensors: Tensors, how: Callable[[str], str]) -> Tensors:
    """With other names."""
    return {how(name): tensor for name, tensor in tensors.items()}


def entry(file: Path, weight: float = 1.0, role: str = "decoder") -> str:
    """An entry of the config's `lora`."""
    return f"{{path: '{file}', weight: {weight}, role: {role}}}"
