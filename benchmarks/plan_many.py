"""How long a plan takes with many prompts, many seeds and many cells, in seconds of CPU.

python benchmarks/plan_many.py [30000 [1000]]
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from runner import plan
from runner.cli import main as kandinsky


def seconds(**keys: Any) -> float:
    """CPU seconds of planning with these keys, keys of all nodes included."""
    begun = time.process_time()
    assert len(plan(**keys).graph)
    return time.process_time() - begun


def seconds_of_cells(*overrides: str) -> float:
    """CPU seconds of `kandinsky plan -m`."""
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        assert kandinsky(["plan", "-m", *overrides, f"output_dir={folder}"]) == 0
    return time.process_time() - begun


def scales(stage: str, many: int) -> str:
    """An axis of so many values."""
    return f"{stage}.guidance_scale=" + ",".join(str(2 + n / 1000) for n in range(many))


def main() -> None:
    """Print prompts, seeds and their ratio; cells of a product, and cells of one axis."""
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 30_000
    cells = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
    plan()  # imports
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prompts.txt"
        file.write_text("\n".join(f"a red circle {number}" for number in range(many)))
        prompts = seconds(prompt_file=file)
    seeds = seconds(seeds=list(range(many)))
    print(f"{many} prompts {prompts:.1f} s, {many} seeds {seeds:.1f} s: {seeds / prompts:.2f}")
    seconds_of_cells("seeds=[0],[1]")  # imports
    product = seconds_of_cells(scales("decoder", 10), scales("prior", cells // 10))
    values = {
        "scales": scales("decoder", cells),
        "seeds": "seeds=" + ",".join(f"[{n}]" for n in range(cells)),
        "prompts": "prompt=" + ",".join(f"a red circle {n}" for n in range(cells)),
    }
    print(f"{cells} cells: a product {product:.1f} s", end="")
    for name, axis in values.items():
        print(f", {name} {seconds_of_cells(axis):.1f} s", end="", flush=True)
    print()


if __name__ == "__main__":
    main()
