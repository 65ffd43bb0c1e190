"""The benchmark for GPUs runs on a CPU with tiny models, and says what it cannot measure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu.py"


def run(*arguments: str) -> str:
    """What it prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_a_gpu_it_says_what_it_cannot_measure() -> None:
    said = run()
    assert said.startswith("no CUDA device here, so not measured: loop, cold, resident, graphs_off")


@pytest.mark.slow
def test_its_rows_run_with_tiny_models(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    said = run("--small", "--only", "loop", "batched", "--json", str(file))
    assert said.splitlines()[-1].startswith("| batched | ")
    found = json.loads(file.read_text())
    assert found["machine"]["device"] == "cpu"
    loop, batched = found["rows"]["loop"], found["rows"]["batched"]
    assert loop["seconds"] > 0
    assert batched["seconds"] > 0
    assert 0 < batched["inside"] <= 1
    assert batched["notes"] == ["pictures within 0 of 255 levels"]  # on a CPU, one in each call
