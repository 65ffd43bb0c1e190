"""Results as bytes: how they are stored, and how they pass between processes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from runner.stages import ResultKind
from runner.values import Scores, Value

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Encoded:
    """A result as it is stored: safetensors, PNG or JSON. Passed on without torch."""

    kind: ResultKind
    content: bytes


Made: TypeAlias = "Value | Encoded"


def encoded(kind: ResultKind, made: Made) -> Encoded:
    """A result as bytes."""
    if isinstance(made, Encoded):
        return made
    if kind is ResultKind.tensors:
        from safetensors.torch import save

        assert isinstance(made, dict)
        return Encoded(kind, save({name: tensor.contiguous() for name, tensor in made.items()}))
    if kind is ResultKind.scores:
        assert isinstance(made, Scores)
        return Encoded(kind, json.dumps(dict(made.values)).encode())
    from runner.image_files import png_bytes

    assert not isinstance(made, dict | Scores)
    return Encoded(kind, png_bytes(made))


def decoded(made: Made) -> Value:
    """A result to compute with."""
    if not isinstance(made, Encoded):
        return made
    if made.kind is ResultKind.tensors:
        from safetensors.torch import load

        tensors: dict[str, torch.Tensor] = load(made.content)
        return tensors
    if made.kind is ResultKind.scores:
        return Scores(json.loads(made.content))
    from runner.image_files import image_of_png

    return image_of_png(made.content)
