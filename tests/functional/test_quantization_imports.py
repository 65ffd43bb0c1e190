"""Packages for quantisation are imported where they are used, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.packages import needs
from runner.catalog.quantization import METHODS

CELLS = """
import sys
from pathlib import Path
from functional.cells import drawn, opened, planned
from helpers.small_loras import STYLE, write_loras
from runner.workers.setup import import_libraries, import_pipelines
import_libraries(own=True)  # as each worker does
folder = Path(sys.argv[1])
write_loras(folder)
def draw(*overrides, weights="random", model="kandinsky3"):
    plan = planned(weights, folder, model, *overrides)
    import_pipelines(found.checkpoint.pipeline for found in plan.weights.checkpoints.values())
    drawn(plan, opened(plan))
    print(*sorted({"torchao", "bitsandbytes"} & set(sys.modules)))
draw("weights.size=tiny", "quantize.text=fp8")
draw(f"lora=[{{path: '{folder / STYLE}'}}]", weights="mini", model="kandinsky2_2")
draw("weights.size=tiny", "quantize.text=nf4", "quantize.denoiser=int8")
import torchao
"""


@pytest.mark.slow
def test_packages_that_are_installed_are_imported_where_they_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in METHODS:
        needs(method)
    command = [sys.executable, "-c", CELLS, str(tmp_path)]
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout.splitlines() == ["", "", "bitsandbytes torchao"]
    assert done.stderr == ""
