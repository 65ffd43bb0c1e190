"""Training on an accelerator. Run it with: pytest -m gpu tests/gpu"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from training import loop, steps
from training.steps import Batch, Draws, Lesson, Losses

pytestmark = pytest.mark.gpu

ROUNDING = 1e-5
"""Captured kernels are the same; the optimiser's learning rate is float32 on the device."""


def draw(draws: Draws) -> Batch:
    return {"x": torch.randn(4 + 4 * draws.python.randrange(2), 8, generator=draws.torch)}


def measure(model: nn.Module, batch: Batch) -> Losses:
    return {"loss": F.mse_loss(model(batch["x"]), batch["target"])}


def prepare(batch: Batch) -> Batch:
    return {**batch, "target": batch["x"].flip(1)}


def test_steps_as_graphs_learn_what_steps_one_kernel_at_a_time_learn(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two shapes of batches, each captured after a few steps."""
    learned = []
    for usual in (steps.USUAL, 100):
        monkeypatch.setattr(steps, "USUAL", usual)
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 32), nn.SiLU(), nn.Linear(32, 8)).cuda()
        budget = loop.Budget(steps=30, peak_lr=1e-2, warmup=5, cooldown=10)
        folder = tmp_path_factory.mktemp("training")
        run = loop.train("x", model, Lesson(draw, prepare, measure), budget, folder, 0)
        learned.append(nn.utils.parameters_to_vector(run.model.parameters()))
        assert run.history[-1]["loss"] < 1
    assert torch.allclose(learned[0], learned[1], rtol=0, atol=ROUNDING)
