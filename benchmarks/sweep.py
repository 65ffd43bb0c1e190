"""A sweep of 24 cells: `kandinsky -m` against one script a cell, and against a careful loop.

    python benchmarks/sweep.py [--rounds 3] [--scripts 3] [--threads 1 2]

2 schedulers x 3 step counts x 2 guidance scales x 2 prompts, 2 seeds each. The loop keeps its
pipelines loaded and makes each prior once. It is timed with each number of threads, and its best
one counts. With fewer --scripts that many cells are timed and the rest is reckoned from them, which
is said. In rounds, each of which runs everything once, so that whatever else the machine does falls
on all; medians count. The pixels of all three are compared.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from one_image import HERE, WEIGHTS, same_pixels

SCHEDULERS = ("ddim", "ddpm")
STEPS = (10, 25, 50)
SCALES = (2.0, 4.0)
PROMPTS = ("a red circle on a white background", "a blue square on a white background")
SEEDS = (0, 1)
CELLS = list(itertools.product(SCHEDULERS, STEPS, SCALES, PROMPTS))

SWEEP, ALONE, AGAIN = "kandinsky -m", "kandinsky -m workers=1", "the first again, stored"
SCRIPTS = "a script a cell"
INSIDE = "of one worker's time in stages, once it is warm"


def timed(command: Sequence[str], folder: Path, **environment: str) -> float:
    """Wall seconds of a command."""
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}\n{done.stderr}")
    return time.perf_counter() - started


def sweep_command(progress: str = "quiet") -> list[str]:
    """All cells as one multirun."""
    return [
        sys.executable, "-m", "runner", "-m", f"progress={progress}",
        f"scheduler={','.join(SCHEDULERS)}",
        f"decoder.num_inference_steps={','.join(map(str, STEPS))}",
        f"decoder.guidance_scale={','.join(map(str, SCALES))}",
        f"prompt={','.join(PROMPTS)}",
        f"seeds={list(SEEDS)}".replace(" ", ""),
    ]  # fmt: skip


def script_command(cells: Sequence[tuple[str, int, float, str]], out: str) -> list[str]:
    """The hand-written script on some of the cells."""
    chosen = ",".join(str(CELLS.index(cell)) for cell in cells)
    return [sys.executable, str(HERE / "sweep_script.py"), str(WEIGHTS), out, chosen]


def share_in_stages(folder: Path) -> float:
    """The share of one worker's time, from its first stage's begin to its last one's end, that
    its stages took: model calls and the computation around them. The rest is the store,
    files and records.
    """
    command = [*sweep_command("json"), "workers=1", "output_dir=one"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    began = next(event["time"] for event in events if event["event"] == "stage_started")
    finished = [event for event in events if event["event"] == "stage_finished"]
    return float(sum(e["seconds"] for e in finished) / (finished[-1]["time"] - began))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scripts", type=int, default=3, help="cells run as a script, a round")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        timed([*sweep_command(), "output_dir=warm"], folder)  # files into the page cache
        rounds = [one_round(folder / str(n), options) for n in range(options.rounds)]
        made = sorted(next((folder / "0" / "outputs" / "default").iterdir()).glob("*/*.png"))
        same = [
            same_pixels(image, folder / "0" / "loop1" / f"{image.parent.name[:4]}-{seed}.png")
            for image, seed in zip(made, itertools.cycle(SEEDS), strict=False)
        ]
    median = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    loops = {f"loop, OMP_NUM_THREADS={threads}" for threads in options.threads}
    best = min(loops, key=lambda name: median[name])
    print(f"same pixels: {sum(same)} of {len(CELLS) * len(SEEDS)} images")
    for name, seconds in median.items():
        if name != INSIDE:
            every = sorted(one[name] for one in rounds)
            print(f"{name:26s} {seconds:6.1f} s  ({every[0]:.1f} to {every[-1]:.1f})")
    print(f"{INSIDE}: {median[INSIDE]:.1%}")
    for name in (SWEEP, ALONE):
        print(f"{name} / {best}: {median[name] / median[best]:.2f}")
    print(f"{SWEEP} / {SCRIPTS}: {median[SWEEP] / median[SCRIPTS]:.3f}")


def one_round(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Run everything once: wall seconds, and the share of one worker's time in stages."""
    folder.mkdir()
    found = {SWEEP: timed(sweep_command(), folder)}
    for threads in options.threads:
        found[f"loop, OMP_NUM_THREADS={threads}"] = timed(
            script_command(CELLS, f"loop{threads}"), folder, OMP_NUM_THREADS=str(threads)
        )
    found[ALONE] = timed([*sweep_command(), "workers=1", "output_dir=alone"], folder)
    found[INSIDE] = share_in_stages(folder)
    found[AGAIN] = timed([*sweep_command(), "resume=false"], folder)
    cells = CELLS[:: max(1, len(CELLS) // options.scripts)][: options.scripts]
    scripts = (
        statistics.mean(
            timed(script_command([cell], "alone"), folder, OMP_NUM_THREADS=str(threads))
            for cell in cells
        )
        for threads in options.threads
    )
    return {**found, SCRIPTS: min(scripts) * len(CELLS)}


if __name__ == "__main__":
    main()
