"""What is said while many cells are prepared."""

from __future__ import annotations

import time
from typing import Any

import pytest

from runner.cli import main
from runner.planning import planner
from runner.planning.planner import CHECKING
from runner.system import preparing
from runner.weights.find import FoundWeights, find_weights

AXIS = f"decoder.num_inference_steps={','.join(map(str, range(2, 52)))}"


@pytest.mark.parametrize(
    ("progress", "seconds", "said"),
    [
        ("lines", 0.0, ["reading configs: 1 of 50 cells", "planning: 1 of 50 cells", CHECKING]),
        ("lines", 600.0, []),
        ("json", 0.0, []),
        ("quiet", 0.0, []),
    ],
)
def test_what_takes_long_says_how_far_it_is(
    progress: str,
    seconds: float,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def slowly(*given: Any, **more: Any) -> FoundWeights:
        time.sleep(0.1 if seconds == 0.0 else 0.0)
        return find_weights(*given, **more)

    monkeypatch.setattr(planner, "find_weights", slowly)
    monkeypatch.setattr(preparing, "SECONDS_UNTOLD", seconds)
    monkeypatch.setattr(preparing, "SECONDS_BETWEEN", 600.0)
    assert main(["plan", "-m", AXIS, f"progress={progress}"]) == 0
    assert capsys.readouterr().err.splitlines() == said


def test_of_few_cells_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preparing, "SECONDS_UNTOLD", 0.0)
    assert main(["plan", "-m", "scheduler=ddim,ddpm"]) == 0
    assert "cells" not in capsys.readouterr().err
