"""A sweep of six cells with two prompts and two seeds each."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.made_sweeps import Made, write_sweep


@pytest.fixture
def swept(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "sweep", Made())
