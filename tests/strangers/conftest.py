"""A run to hand over."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.cli import main


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Path:
    """The folder of a run of one small picture, which reproduces; read it only."""
    output_dir = tmp_path_factory.mktemp("made") / "outputs"
    steps = ("prior.num_inference_steps=2", "decoder.num_inference_steps=2")
    asked = (f"weights={weights}", f"output_dir={output_dir}", "tracking=none", "threads=1")
    assert main(["progress=quiet", "height=64", "width=64", *asked, *steps]) == 0
    return (output_dir / "latest").resolve()
