"""How long a plan takes with many prompts and with many seeds, in seconds of CPU.

python benchmarks/plan_many.py [30000]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from runner import plan


def seconds(**keys: Any) -> float:
    """CPU seconds of planning with these keys, keys of all nodes included."""
    begun = time.process_time()
    assert len(plan(**keys).graph)
    return time.process_time() - begun


def main() -> None:
    """Print both, and their ratio."""
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 30_000
    plan()  # imports
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prompts.txt"
        file.write_text("\n".join(f"a red circle {number}" for number in range(many)))
        prompts = seconds(prompt_file=file)
    seeds = seconds(seeds=list(range(many)))
    print(f"{many} prompts {prompts:.1f} s, {many} seeds {seeds:.1f} s: {seeds / prompts:.2f}")


if __name__ == "__main__":
    main()
