"""One image: a whole `python -m runner` process against a minimal diffusers script.

    python benchmarks/one_image.py [--rounds 5]

Both make the same image (checked), one after the other in each round, so that whatever else the
machine does falls on both. Also: `plan` against `import torch`. Prints medians and their ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parent / "runner" / "mini" / "weights"
PROMPT = "a red circle on a white background"


RESIDENT = "second command, resident workers"
"""The first one, which begins them, is not measured."""


def timed(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> tuple[float, float]:
    """(wall seconds, peak resident MiB of the command's own process)."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return seconds, usage.ru_maxrss / 1024


def same_pixels(one: Path, other: Path) -> bool:
    """Whether two PNG files have exactly the same pixels."""
    with Image.open(one) as a, Image.open(other) as b:
        return np.array_equal(np.asarray(a), np.asarray(b))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        python = sys.executable
        commands = {
            "runner": [python, "-m", "runner", f"prompt={PROMPT}", "cache=off"],
            "script": [python, str(HERE / "minimal_script.py"), str(WEIGHTS), "script.png"],
            "plan": [python, "-m", "runner", "plan", f"prompt={PROMPT}"],
            "import torch": [python, "-c", "import torch"],
            RESIDENT: [
                python, "-m", "runner", f"prompt={PROMPT}", "cache=off", "workers.keep=10m",
                "output_dir=resident",
            ],
        }  # fmt: skip
        # Workers that stay are nobody else's, here and where they would be the user's own.
        caches = {name: folder / (RESIDENT if name == RESIDENT else "cache") for name in commands}
        around = {name: {**os.environ, "KANDINSKY_CACHE": str(caches[name])} for name in commands}
        for name, command in commands.items():
            timed(
                command, folder, around[name]
            )  # files into the page cache, MLflow's database made
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                results[name].append(timed(command, folder, around[name]))
        stop = [python, "-m", "runner", "workers", "stop"]
        subprocess.run(stop, cwd=folder, env=around[RESIDENT], check=True, capture_output=True)
        image = next((folder / "outputs" / "latest").glob("*.png"))
        kept = next((folder / "resident" / "latest").glob("*.png"))
        same = all(same_pixels(one, folder / "script.png") for one in (image, kept))
    seconds = {name: statistics.median(s for s, _ in runs) for name, runs in results.items()}
    memory = {name: statistics.median(m for _, m in runs) for name, runs in results.items()}
    print(f"same pixels: {same}")
    for name in commands:
        spread = f"{min(results[name])[0]:.2f} to {max(results[name])[0]:.2f}"
        print(f"{name:<32} {seconds[name]:6.2f} s  ({spread})  {memory[name]:7.0f} MiB")
    print(f"runner / script: time {seconds['runner'] / seconds['script']:.2f}, "
          f"memory {memory['runner'] / memory['script']:.2f}")  # fmt: skip
    print(f"{RESIDENT} / script: time {seconds[RESIDENT] / seconds['script']:.2f}")
    print(f"plan / import torch: time {seconds['plan'] / seconds['import torch']:.2f}")


if __name__ == "__main__":
    main()
