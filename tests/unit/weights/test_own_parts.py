"""Of the runner's own classes a checkpoint may name the one that its row lists, and no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runner.catalog.kandinsky2_0 import DECODER_2_0
from runner.catalog.kandinsky2_2 import DECODER_2_2
from runner.weights.components import foreign_component

OWN = ["runner.kandinsky2_0.text_projection", "KandinskyV20TextProjection"]


def test_its_own_text_projection_passes() -> None:
    assert foreign_component({"text_proj": OWN}, DECODER_2_0) is None


@pytest.mark.parametrize(
    "index",
    [
        {"unet": OWN},
        {"text_proj": ["runner.kandinsky2_0.text_projection", "KandinskyV20FirstTokenPooling"]},
        {"text_proj": ["runner.kandinsky2_0.drawing", "KandinskyV20TextProjection"]},
        {"text_proj": ["runner.pipelines.pickles", "Thing"]},
        {"text_proj": ["os", "System"]},
        {"text_proj": OWN, "more": OWN},
    ],
    ids=str,
)
def test_no_other_class_of_the_runner_passes(index: dict[str, Any]) -> None:
    assert foreign_component(index, DECODER_2_0) is not None


def test_other_versions_have_none() -> None:
    assert foreign_component({"text_proj": OWN}, DECODER_2_2) is not None
    assert foreign_component({"text_proj": OWN}, replace(DECODER_2_0, own_parts={})) is not None
