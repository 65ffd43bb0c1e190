"""Planning, and every refusal, imports none of the heavy libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch", "diffusers", "transformers", "mlflow", "safetensors", "huggingface_hub", "numpy",
    "PIL", "ssl",
)  # fmt: skip

PROGRAM = f"""
import sys
from runner.cli import main
status = main(sys.argv[1:])
found = [name for name in {HEAVY} if name in sys.modules]
print("imported:", *found)
sys.exit(status)
"""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["plan"], 0),
        (["plan", f"prompt={'a red circle ' * 40}"], 0),
        (["plan", "model=kandinsky3", f"prompt={'a red circle ' * 90}"], 0),
        (["plan", "experiment=first_light", "weights=hub"], 0),
        (["plan", "weights=random", "precision=fp16"], 0),
        (["plan", "-m", "scheduler=ddim,ddpm"], 0),
        (["--cfg", "job"], 0),
        (["--help"], 0),
        (["models"], 0),
        (["promt=x"], 2),
        (["scheduler=none"], 2),
        (["prompt=''"], 2),
        (["plan", "height=100"], 2),
        (["plann"], 2),
    ],
    ids=str,
)
def test_nothing_heavy_is_imported(tmp_path: Path, arguments: list[str], status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert done.stdout.splitlines()[-1] == "imported:"
