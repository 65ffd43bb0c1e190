"""Runs within this process, through the command line's own entry point."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from made import STEPS, Kandinsky, Made

from runner.cli import main
from runner.weights.find import MINI_DIR


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the small family: the shipped one may be trained anew meanwhile."""
    folder = tmp_path_factory.mktemp("family") / "weights"
    shutil.copytree(MINI_DIR, folder)
    return folder


@pytest.fixture
def kandinsky(weights: Path, tmp_path: Path) -> Kandinsky:
    """Runs `kandinsky <overrides>` with few steps and no tracking, into `tmp_path / outputs`."""
    output_dir = tmp_path / "outputs"

    def run(*overrides: str) -> Made:
        given = (f"weights={weights}", f"output_dir={output_dir}", "tracking=none", *STEPS)
        assert main(["progress=quiet", *given, *overrides]) == 0
        return Made(output_dir)

    return run
