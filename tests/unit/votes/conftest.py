"""A sweep of three schedulers, and votes on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.made_sweeps import Made, write_sweep

PROMPTS = tuple(f"prompt {number}" for number in range(8))
SCHEDULERS = ("ddim", "ddpm", "lcm")


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """3 schedulers x 8 prompts x 2 seeds: 48 pairs."""
    made = Made(axes={"scheduler": SCHEDULERS}, prompts=PROMPTS)
    return write_sweep(tmp_path / "outputs" / "made" / "sweep", made).resolve()
