"""Seeded random values for every parameter of a model, independent of the library's own choice."""

from __future__ import annotations

from typing import TypeVar
from zlib import crc32

import torch
from torch import Tensor, nn

Model = TypeVar("Model", bound=nn.Module)


@torch.no_grad()
def fill(model: Model, name: str, seed: int) -> Model:
    """Give `model` the random values that belong to `name` and `seed`, and put it in eval mode.

    Libraries start some layers at zero or near it, so that a fresh model ignores its inputs. Here
    each weight keeps its input's size, each norm passes it on, each embedding stands out.
    """
    generator = torch.Generator().manual_seed(crc32(f"{seed}/{name}".encode()))
    done: set[int] = set()
    for module in model.modules():
        for key, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in done:  # tied parameters are seen more than once
                done.add(id(parameter))
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(suited(module, key, noise))
    return model.eval()


def suited(module: nn.Module, key: str, noise: Tensor) -> Tensor:
    """Standard normal `noise`, scaled as the parameter `key` of `module` needs."""
    if isinstance(module, nn.Embedding):
        return noise
    if key == "bias":
        return 0.1 * noise
    if key == "weight" and noise.ndim == 1:  # a norm
        return 1 + 0.1 * noise
    if key == "weight":
        return noise / (noise.numel() / len(noise)) ** 0.5
    return 0.5 * noise  # positions, marker tokens, statistics


@torch.no_grad()
def scale_weights(module: nn.Module, gain: float) -> None:
    """Multiply the weights of every linear, convolution and embedding layer in `module`."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.Embedding):
            layer.weight.mul_(gain)
