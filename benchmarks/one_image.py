"""One image: a whole `python -m runner` process against a minimal diffusers script.

    python benchmarks/one_image.py [--rounds 5]

Both make the same image (checked), one after the other in each round, so that whatever else the
machine does falls on both. `second`: a command whose worker has stayed since the one before
(`workers.keep`), and `begins`: from its start to its first stage. Also: `plan` against `import
torch`. Prints medians and their ratios. CPU seconds are those of the command's own process and of
all that it waited for; they say more than its time on a machine that does other work too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parent / "runner" / "mini" / "weights"
PROMPT = "a red circle on a white background"


@dataclass(frozen=True)
class Timed:
    """A command's time.

    Attributes:
        seconds: of wall time.
        cpu: seconds of its own process and of those it waited for.
        mib: peak resident memory of its own process.
        begins: seconds until its first stage, where it tells (`progress=json`).
    """

    seconds: float
    cpu: float
    mib: float
    begins: float | None


def timed(command: Sequence[str], folder: Path, **environment: str) -> Timed:
    """Run a command."""
    # As an installed program runs: with its modules compiled.
    known = {key: v for key, v in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with (folder / "said").open("wb") as said:
        clock, started = time.time(), time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=said,
            stderr=subprocess.DEVNULL,
            env={**known, **environment},
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    cpu = usage.ru_utime + usage.ru_stime
    return Timed(seconds, cpu, usage.ru_maxrss / 1024, _begins(folder / "said", clock))


def _begins(said: Path, clock: float) -> float | None:
    lines = said.read_bytes().splitlines()
    events = [json.loads(line) for line in lines if line.startswith(b'{"event"')]
    begun = (one["time"] for one in events if one["event"] == "stage_started")
    return next((when - clock for when in begun), None)


def same_pixels(one: Path, other: Path) -> bool:
    """Whether two PNG files have exactly the same pixels."""
    with Image.open(one) as a, Image.open(other) as b:
        return np.array_equal(np.asarray(a), np.asarray(b))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    runner = [sys.executable, "-m", "runner"]
    draw = [*runner, f"prompt={PROMPT}", "cache=off"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = {
            "runner": draw,
            "second": [*draw, "workers.keep=10m", "progress=json"],
            "script": [sys.executable, str(HERE / "minimal_script.py"), str(WEIGHTS), "script.png"],
            "plan": [*runner, "plan", f"prompt={PROMPT}"],
            "import torch": [sys.executable, "-c", "import torch"],
        }
        try:
            results = measured(commands, folder, rounds)
        finally:
            stop = [*runner, "workers", "stop"]
            timed(stop, folder, KANDINSKY_CACHE=str(folder / "caches" / "second"))
        images = sorted((folder / "outputs").glob("*/*/*.png"))
        same = all(same_pixels(image, folder / "script.png") for image in images)
    print(f"same pixels: {same}")
    show(results)


def measured(
    commands: Mapping[str, Sequence[str]], folder: Path, rounds: int
) -> dict[str, list[Timed]]:
    """Each command in each round, after one that is not counted: it has files in the page cache,
    MLflow's database made, and a worker that stays.
    """
    results: dict[str, list[Timed]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            # The worker that stays is found in the user's cache: another one for each kind.
            found = timed(command, folder, KANDINSKY_CACHE=str(folder / "caches" / name))
            if number:
                results[name].append(found)
    return results


def show(results: Mapping[str, Sequence[Timed]]) -> None:
    """Print medians and ratios."""

    def median(name: str, of: Callable[[Timed], float]) -> float:
        return statistics.median(map(of, results[name]))

    for name, runs in results.items():
        spread = f"{min(one.seconds for one in runs):.2f} to {max(o.seconds for o in runs):.2f}"
        print(f"{name:<13} {median(name, lambda one: one.seconds):6.2f} s  ({spread})  "
              f"{median(name, lambda one: one.cpu):6.2f} s of CPU  "
              f"{median(name, lambda one: one.mib):5.0f} MiB")  # fmt: skip
    for name, other in (("runner", "script"), ("second", "script"), ("plan", "import torch")):
        ratios = ", ".join(
            f"{what} {median(name, of) / median(other, of):.2f}" for what, of in MEASURES.items()
        )
        print(f"{name} / {other}: {ratios}")
    print(f"second begins its first stage after {median('second', _begun):.2f} s")


def _begun(one: Timed) -> float:
    assert one.begins is not None
    return one.begins


MEASURES: dict[str, Callable[[Timed], float]] = {
    "time": lambda one: one.seconds,
    "CPU": lambda one: one.cpu,
    "memory": lambda one: one.mib,
}


if __name__ == "__main__":
    main()
