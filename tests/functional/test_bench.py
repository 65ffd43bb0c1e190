"""`bench=true`: each stage runs repeatedly, and nothing is taken from the store."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from functional.made import STEPS, Made
from helpers.manifests import read_manifest
from runner.analysis.reading import read_results
from runner.cli import main


@pytest.mark.slow
def test_each_stage_that_draws_is_measured(kandinsky: Any) -> None:
    plain: Made = kandinsky("seeds=[0,1]", "metrics=[sharpness]")
    measured: Made = kandinsky("seeds=[0,1]", "metrics=[sharpness]", "bench=true", "repeats=3")
    assert measured.hashes == plain.hashes
    for image in measured.manifest["images"]:
        assert not image["reused"]
        assert set(image["repeats"]) == set(image["took"]) == {"prior", "decode"}
        for stage, seconds in image["repeats"].items():
            assert len(seconds) == 3
            assert image["took"][stage] == pytest.approx(statistics.median(seconds), abs=1e-4)
        assert set(image["scores"]) == {"sharpness"}
        assert image["steps"] == 3
        assert "joules" not in image, "a CPU does not tell them, which is not zero"
    (cell,) = read_results(measured.folder).cells
    for result in cell.images:
        assert result.scores["steps_per_second"] == pytest.approx(
            3 / statistics.median(result.record.repeats["decode"]), rel=1e-2
        )
    assert "steps_per_second" not in read_results(plain.folder).better
    assert all(image["repeats"] == {} for image in plain.manifest["images"])
    # Nothing of it is stored, and the next measurement begins anew.
    again: Made = kandinsky("seeds=[0,1]", "bench=true", "repeats=1", "warmup=0")
    assert not any(image["reused"] for image in again.manifest["images"])


@pytest.mark.slow
def test_a_sweep_is_measured_too(weights: Path, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    given = (f"weights={weights}", f"output_dir={outputs}", "tracking=none", "progress=quiet")
    sweep = ("-m", "threads=1,2", "bench=true", "repeats=2")
    assert main([*sweep, *given, *STEPS]) == 0
    folder = (outputs / "latest").resolve()
    cells = json.loads((folder / "sweep.json").read_text())["cells"]
    manifests = [read_manifest(folder / cell["folder"]) for cell in cells]
    assert [m["environment"]["threads"] for m in manifests] == [1, 2]
    for manifest in manifests:  # the keys are equal, and still each was measured
        (image,) = manifest["images"]
        assert [len(seconds) for seconds in image["repeats"].values()] == [2, 2]
