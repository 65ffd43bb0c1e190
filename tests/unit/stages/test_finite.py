"""NaN and infinity are found and named."""

from __future__ import annotations

import pytest
import torch

from runner.errors import NonFiniteError
from runner.graph.node import LoraSpec, Node, PipelineSpec
from runner.stages.finite import check_finite


def node(dtype: str) -> Node:
    spec = PipelineSpec("P", "w", dtype, "sdpa", None, None)
    return Node("decode", 1, {}, pipeline=spec, label="the label")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    ("dtype", "advice"), [("float16", "precision=fp32 or bf16"), ("float32", "damaged")]
)
def test_what_is_not_finite_is_refused(value: float, dtype: str, advice: str) -> None:
    tensor = torch.tensor([0.0, value], dtype=getattr(torch, dtype))
    with pytest.raises(NonFiniteError) as caught:
        check_finite(node(dtype), "the pixels", tensor)
    for part in ("decode failed (the label)", "the pixels", dtype, advice):
        assert part in str(caught.value)


def test_loras_are_named() -> None:
    spec = PipelineSpec("P", "w", "float32", "sdpa", None, None, loras=(LoraSpec("l", 1e30),))
    with pytest.raises(NonFiniteError, match=r"a LoRA is damaged, or has too large a weight"):
        check_finite(Node("decode", 1, {}, pipeline=spec), "the pixels", torch.tensor(torch.inf))


def test_finite_values_pass() -> None:
    check_finite(node("float16"), "the pixels", torch.tensor([-65504.0, 0.0]))
