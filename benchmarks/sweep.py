"""A sweep of 24 cells: `kandinsky -m` against one script a cell, and against a careful loop.

    python benchmarks/sweep.py [--scripts 24] [--threads 1 2]

2 schedulers x 3 step counts x 2 guidance scales x 2 prompts, 2 seeds each. The loop keeps its
pipelines loaded and makes each prior once. It is timed with each number of threads, and its best
one counts. With fewer --scripts that many cells are timed and the rest is reckoned from them, which
is said. One after the other in one run, so that whatever else the machine does falls on all; the
pixels of all three are compared.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
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
    """Of one worker's time from its first stage's begin to its last one's end, what its stages
    took: model calls, and what is computed around them. The rest is the store, files, records.
    """
    command = [*sweep_command("json"), "workers=1", "output_dir=one"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    began = next(event["time"] for event in events if event["event"] == "stage_started")
    finished = [event for event in events if event["event"] == "stage_finished"]
    return sum(e["seconds"] for e in finished) / (finished[-1]["time"] - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scripts", type=int, default=len(CELLS), help="cells run as a script")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        timed([*sweep_command(), "output_dir=warm"], folder)  # files into the page cache
        sweep = timed(sweep_command(), folder)
        again = timed([*sweep_command(), "resume=false"], folder)
        one = timed([*sweep_command(), "workers=1", "output_dir=alone"], folder)
        inside = share_in_stages(folder)
        loops = {
            threads: timed(script_command(CELLS, f"loop{threads}"), folder,
                           OMP_NUM_THREADS=str(threads))
            for threads in options.threads
        }  # fmt: skip
        best = min(loops, key=lambda threads: loops[threads])
        scripts = sum(
            timed(script_command([cell], "alone"), folder, OMP_NUM_THREADS=str(best))
            for cell in CELLS[: options.scripts]
        )
        first = sorted((folder / "outputs" / "default").iterdir())[0]
        made = sorted(first.glob("*/*.png"))
        same = [
            same_pixels(image, folder / "loop1" / f"{image.parent.name[:4]}-{seed}.png")
            for image, seed in zip(made, itertools.cycle(SEEDS), strict=False)
        ]
    per_script = scripts / options.scripts
    reckoned = "" if options.scripts == len(CELLS) else f" (reckoned from {options.scripts})"
    print(f"same pixels: {sum(same)} of {len(CELLS) * len(SEEDS)} images")
    print(f"kandinsky -m               {sweep:6.1f} s, again from the store {again:.1f} s")
    print(f"kandinsky -m workers=1     {one:6.1f} s, {inside:.1%} of it in stages once it is warm")
    for threads, seconds in loops.items():
        print(f"loop, {threads} thread{'s' * (threads > 1)}             {seconds:6.1f} s")
    print(f"a script a cell            {per_script * len(CELLS):6.1f} s{reckoned}")
    print(f"kandinsky -m / loop {sweep / loops[best]:.2f}, with workers=1 {one / loops[best]:.2f}")
    print(f"kandinsky -m / scripts {sweep / (per_script * len(CELLS)):.3f}")


if __name__ == "__main__":
    main()
