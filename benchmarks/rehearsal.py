"""Peak memory of every offload mode against the reckoning, on weights=random. Needs a GPU.

    python benchmarks/rehearsal.py [--versions kandinsky2_2 ...] [--modes none ...]
    python benchmarks/rehearsal.py --tiny        # on the CPU, without memory: does it run at all?

One picture for each version and mode, in half precision and with few steps, at the release's own
size. Nothing is downloaded. Each cell is a process of its own, so that none is measured with what
another one left. Made for at most 8 minutes on an H100 with 40 GB of host memory. The status is 1
where a cell fails, or its peak is further from the reckoned one than the plan says.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hydra import compose, initialize_config_dir

from runner.catalog.memory import UNCERTAINTY
from runner.catalog.offload import OFFLOAD
from runner.catalog.versions import VERSIONS
from runner.config.hydra import tree
from runner.config.resolve import resolve
from runner.planning.memory import reckoned
from runner.planning.planner import make_plan

MODES = [mode.name for mode in OFFLOAD.values() if not mode.chosen]
SECONDS = 240
"""A cell, at most."""


def overrides(version: str, mode: str, tiny: bool) -> list[str]:
    """Of one cell."""
    has_prior = VERSIONS[version].has_prior
    given = [
        f"model={version}", "weights=random", f"offload={mode}", "cache=off", "tracking=none",
        "progress=quiet", "prompt=a red circle",
        "decoder.num_inference_steps=3",
        *(["prior.num_inference_steps=3"] if has_prior else []),
    ]  # fmt: skip
    if tiny:
        return [*given, "weights.size=tiny", "device=cpu", "height=64", "width=64"]
    half = "bf16" if "fp16" in VERSIONS[version].doubted_precisions else "fp16"
    return [*given, f"precision={half}", "device=cuda"]


def expected(given: list[str], mode: str) -> int:
    """Bytes, by the plan."""
    tree.register()
    with initialize_config_dir(str(tree.config_dir()), version_base="1.3"):
        config = compose(tree.CONFIG_NAME, overrides=given)
    return reckoned(make_plan(resolve(config, overrides=given)))[mode]


def measured(given: list[str], folder: Path) -> tuple[float | None, str]:
    """Peak bytes of the device, if it tells; and what went wrong, else ""."""
    command = [sys.executable, "-m", "runner", *given, f"output_dir={folder}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None, f"more than {SECONDS} s"
    if done.returncode != 0:
        return None, (done.stderr.strip().splitlines() or ["no message"])[-1][:80]
    (manifest,) = (path for path in folder.rglob("manifest.json") if "latest" not in path.parts)
    (image,) = json.loads(manifest.read_text())["images"]
    peak = image.get("peak_device_mb")
    return (None, "") if peak is None else (peak * 2**20, "")


def row(version: str, mode: str, tiny: bool) -> tuple[str, bool]:
    """A line of the table, and whether the cell did as reckoned."""
    given = overrides(version, mode, tiny)
    needed = expected(given, mode)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        peak, wrong = measured(given, Path(folder))
    seconds = time.perf_counter() - started
    off = None if peak is None else peak / needed - 1
    shown = (
        version, mode, f"{needed / 1e9:.2f}",
        wrong or "no accelerator" if peak is None else f"{peak / 1e9:.2f}",
        "" if off is None else f"{off:+.0%}", f"{seconds:.0f}",
    )  # fmt: skip
    good = not wrong and (tiny if off is None else abs(off) <= UNCERTAINTY)
    return f"| {' | '.join(shown)} |", good


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--versions", nargs="+", default=list(VERSIONS), choices=list(VERSIONS))
    parser.add_argument("--modes", nargs="+", default=MODES, choices=MODES)
    parser.add_argument("--tiny", action="store_true", help="tiny models on the CPU, offload=none")
    asked = parser.parse_args()
    modes = ["none"] if asked.tiny else asked.modes
    print("| version | offload | reckoned, GB | measured, GB | off | seconds |")
    print("|---|---|---|---|---|---|")
    good = True
    for version in asked.versions:
        for mode in modes:
            line, within = row(version, mode, asked.tiny)
            print(line, flush=True)
            good = good and within
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
