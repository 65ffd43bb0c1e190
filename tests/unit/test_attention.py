"""Attention layers in the catalog are set, and others are refused."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import Attention as Usual
from diffusers.models.transformers.transformer_kandinsky import (
    Kandinsky5Attention,
    Kandinsky5AttnProcessor,
)

from runner.catalog.attention import ATTENTION, DISPATCHED, LAYERS, OTHER, Attention, Layer
from runner.errors import StageError
from runner.pipelines import attention
from runner.pipelines.attention import attention_layers, set_attention

OF_5 = Layer(
    "kandinsky5", "diffusers.models.transformers.transformer_kandinsky", "Kandinsky5Attention"
)
BEFORE = tuple(kind for kind in LAYERS if kind is not DISPATCHED)


@pytest.fixture
def mixed() -> Any:
    """A pipeline of a module with a usual attention layer and one of Kandinsky 5."""
    module = torch.nn.Sequential(Usual(8, heads=2, dim_head=4), Kandinsky5Attention(8, 4))
    return SimpleNamespace(components={"transformer": module, "scheduler": None})


@pytest.mark.parametrize("backend", ATTENTION.values(), ids=lambda row: row.name)
def test_a_backend_has_a_class_for_every_kind_of_layer(backend: Attention) -> None:
    assert set(backend.processors) in ({*LAYERS}, {*BEFORE}, {OTHER, DISPATCHED})
    assert (DISPATCHED in backend.processors) == (backend.dispatched is not None)
    for kind, name in backend.processors.items():
        module = importlib.import_module(kind.module)
        assert hasattr(module, kind.cls)
        assert hasattr(module, name)
    assert set(backend.sliced) <= set(LAYERS)


@pytest.mark.parametrize("backend", [name for name, row in ATTENTION.items() if not row.package])
def test_layers_of_no_known_kind_are_refused(
    mixed: Any, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "LAYERS", BEFORE)
    with pytest.raises(StageError, match="Sequential has layers of Kandinsky5Attention"):
        set_attention(mixed, backend, None)
    with pytest.raises(StageError, match="Kandinsky5Attention"):
        attention_layers(mixed.components["transformer"])


def test_a_row_makes_them_known(mixed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "LAYERS", (*BEFORE, OF_5))
    usual, newer = mixed.components["transformer"]
    with pytest.raises(StageError, match="attention=plain: cannot compute layers of Kandinsky5A"):
        set_attention(mixed, "plain", None)
    both = Attention("plain", {OTHER: "AttnProcessor", OF_5: "Kandinsky5AttnProcessor"})
    monkeypatch.setitem(ATTENTION, "plain", both)
    before = newer.processor
    set_attention(mixed, "plain", None)
    assert type(usual.processor).__name__ == "AttnProcessor"
    assert isinstance(newer.processor, Kandinsky5AttnProcessor)
    assert newer.processor is not before
    kinds = [kind for _, kind in attention_layers(mixed.components["transformer"])]
    assert kinds == [OTHER, OF_5]
