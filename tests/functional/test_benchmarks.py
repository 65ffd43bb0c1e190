"""The benchmark for GPUs runs on a CPU with tiny models, and says what it cannot measure."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPT = BENCHMARKS / "gpu.py"
PROOF = BENCHMARKS / "gpu_proof.py"


def run(*arguments: str, script: Path = SCRIPT) -> str:
    """What it prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_a_gpu_it_says_what_it_cannot_measure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setattr(sys, "argv", [SCRIPT.name])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    said = capsys.readouterr().out
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


@pytest.mark.slow
def test_the_proof_keeps_what_is_known_after_each_part(tmp_path: Path) -> None:
    """Without a GPU its tests are skipped."""
    said = run("--small", "--out", str(tmp_path), "--only", "capture", script=PROOF)
    assert said.startswith("capture: good, ")
    found = json.loads((tmp_path / "proof.json").read_text())
    assert found["machine"].startswith("CPU, torch ")
    assert found["parts"]["capture"]["counts"] == {"skipped": 3}
    assert "| capture | good | " in (tmp_path / "proof.md").read_text()
    assert "SKIPPED" in (tmp_path / "capture.log").read_text()
