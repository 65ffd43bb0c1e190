"""The benchmark for GPUs runs on a CPU with tiny models, and says what it cannot measure."""

from __future__ import annotations

import importlib
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

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
    assert said.startswith("no CUDA device here, so not measured: loop, cold, resident, graphs_on")


@pytest.mark.slow
def test_its_rows_run_with_tiny_models(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    given = ("--small", "--folder", str(tmp_path / "kept"), "--only")
    run(*given, "loop")
    said = run(*given, "batched", "--json", str(file))  # goes on with what is there
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


def test_the_proof_reads_how_each_test_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their names may have spaces."""
    proof = proof_module(monkeypatch)
    test = "tests/gpu/test_graphs.py::test_pixels[{0}]"
    wide, sliced, usual = (test.format(n) for n in ("2.2 wide", "2.2 sliced", "kandinsky3"))
    alone = f"{wide} FAILED   [ 10%]\n{sliced} PASSED    [ 20%]\n{usual} SKIPPED (none) [ 30%]\n"
    beside = f"[gw0] [ 10%] FAILED {wide} \n[gw1] [ 20%] PASSED {sliced} \n"
    summary = f"== short test summary info ==\nFAILED {wide} - AssertionError: it\n"
    for said, skipped in ((alone, {"skipped": 1}), (beside, {})):
        found = proof.read(proof.PARTS[0], said + summary)
        assert found.counts == {"failed": 1, "passed": 1, **skipped}
        assert found.failed == [wide]


@pytest.mark.slow
def test_each_test_of_a_gpu_is_in_one_part_of_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "--collect-only", "tests/gpu"],
        cwd=BENCHMARKS.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    tests = [line for line in done.stdout.splitlines() if "::" in line]
    assert len(tests) > 50
    parts = [part for part in proof_module(monkeypatch).PARTS if part.tests]
    for test in tests:
        assert sum(is_in(part.command, test) for part in parts) == 1, test


def is_in(command: tuple[str, ...], test: str) -> bool:
    """Whether a command of pytest runs a test."""
    words = command[command.index("-k") + 1].split(" or ") if "-k" in command else [""]
    file = next(Path(word).name for word in command if word.endswith(".py"))
    return f"{file}::" in test and any(word in test for word in words)


def proof_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("gpu_proof")
