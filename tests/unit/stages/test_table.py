"""Every stage of the table has its module, with a function as the engine calls it."""

from __future__ import annotations

import importlib
import inspect

import pytest

from runner.graph.stage_table import STAGES, StageFunction


@pytest.mark.parametrize("name", [name for name, stage in STAGES.items() if stage.module])
def test_stage_has_a_function_of_the_right_shape(name: str) -> None:
    run = getattr(importlib.import_module(str(STAGES[name].module)), STAGES[name].function)
    expected = list(inspect.signature(StageFunction.__call__).parameters)[1:]
    assert list(inspect.signature(run).parameters) == expected
    assert STAGES[name].name == name
