"""What has to be tried on a GPU, in one go, the most important first. For ten minutes on an H100.

    python benchmarks/gpu_proof.py [--out FOLDER] [--seconds 560] [--only PART ...]
    python benchmarks/gpu_proof.py --small     # on a CPU: does it run? its tests are skipped there

Tests of tests/gpu and rows of gpu.py, in parts; each is a process of its own, with a limit of time.
What is known is in FOLDER/proof.md and proof.json after each part, and what a part prints in a file
beside them while it prints it, so that a cut loses nothing. The status is 1 where a part failed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from one_image import HERE

TESTS = HERE.parent / "tests" / "gpu"
ENDS = "PASSED|FAILED|ERROR|SKIPPED"
TOLD = re.compile(
    rf"^(?P<alone>tests\S+::.+?) (?P<end>{ENDS})\b"
    rf"|(?:^|\] )(?P<beside>{ENDS}) (?P<test>tests\S+::.+?)(?: - .*)?\s*$",
    re.MULTILINE,
)
"""A test's line of pytest, with or without processes beside each other."""
SHORTEST = 5.0
"""Seconds that must be left for a part to begin."""


@dataclass(frozen=True)
class Part:
    """A part.

    Attributes:
        command: of Python; `{out}` is the folder of results, `{work}` one for what all parts use,
            `{seconds}` what it may take.
        seconds: that it may take, at most.
        tests: whether it runs tests.
    """

    name: str
    command: tuple[str, ...]
    seconds: float
    tests: bool = True


@dataclass
class Found:
    """How a part ended.

    Attributes:
        status: "good", "failed", "cut" by its limit, or "not begun".
        counts: of tests, by outcome.
        failed: their names.
        table: what a benchmark printed of its table.
    """

    status: str = "not begun"
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    table: list[str] = field(default_factory=list)


def tried(
    name: str, file: str, chosen: str, seconds: float, processes: int = 4, *more: str
) -> Part:
    """Tests of a file; `processes` share the device."""
    command = (
        "-m", "pytest", "-v", "-rfE", "--tb=short", "-m", "gpu", "-n", str(processes),
        str(TESTS / file), *(("-k", chosen) if chosen else ()), *more,
    )  # fmt: skip
    return Part(name, command, seconds)


def rows(name: str, seconds: float, *wanted: str) -> Part:
    """Rows of gpu.py."""
    file = f"{{out}}/{name}-rows.json"
    script = str(HERE / "gpu.py")
    given = ("--folder", "{work}", "--seconds", "{seconds}", "--json", file, "--only", *wanted)
    return Part(name, (script, *given), seconds, tests=False)


PARTS = (
    tried("capture", "test_graphs.py", "many_sizes or cannot_be_captured or leave_with", 60, 0),
    tried("graphs", "test_graphs.py", "pixels_are_those", 120),
    rows("speed", 280, "loop", "cold", "resident", "graphs_on", "graphs_off"),
    tried("devices", "test_devices.py", "cuda_draws or weights_are_read or workers_draw", 90),
    tried("sweeps", "test_sweeps.py", "cells_have or of_one_sweep", 60, 2),
    tried("offload", "test_devices.py", "test_offload or half_precision or relieved", 120),
    tried("residents", "test_residents.py", "", 60, 0),
    tried("weights", "test_weights.py", "", 90),
    tried("logged", "test_graphs.py", "logged or out_of_memory or offload_leaves", 60),
    tried("batches", "test_sweeps.py", "batch or auto_fills or joules", 90, 0),
    rows("more speed", 200, "batched", "compiled", "compiled_again", "joules"),
    tried("compiled", "test_devices.py", "compiled or xformers", 120, 2),
    tried("waiting", "test_sweeps.py", "waits_for_nothing", 90, 0),
    tried("training", "test_training.py", "", 60, 0),
    rows("last rows", 300, "script", "loop_compiled"),
)
"""The most important first."""


def run(part: Part, out: Path, work: Path, limit: float, small: bool) -> Found:
    """Run a part. What it prints goes into a file as it comes."""
    log = out / f"{part.name}.log".replace(" ", "-")
    given = {"out": out, "work": work, "seconds": round(limit * 0.9)}
    filled = [word.format(**given) for word in part.command]
    if small and not part.tests:
        filled.append("--small")
    started = time.monotonic()
    with log.open("wb") as printed:
        process = subprocess.Popen(
            [sys.executable, *filled], cwd=HERE.parent, stdout=printed, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            status = "good" if process.wait(limit) == 0 else "failed"
        except subprocess.TimeoutExpired:
            status = "cut"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    found = read(part, log.read_text(errors="replace"))
    found.status, found.seconds = status, round(time.monotonic() - started, 1)
    return found


def read(part: Part, said: str) -> Found:
    """What a part printed."""
    if not part.tests:
        return Found(table=[line for line in said.splitlines() if line.startswith("|")])
    ends: dict[str, set[str]] = {}
    for told in TOLD.finditer(said):
        end = told["end"] or told["beside"]
        ends.setdefault(end.lower(), set()).add(told["alone"] or told["test"])
    failed = sorted(ends.get("failed", set()) | ends.get("error", set()))
    return Found(counts={end: len(tests) for end, tests in ends.items()}, failed=failed)


def write(out: Path, found: dict[str, Found], about: str) -> None:
    """Write down what is known so far."""
    known = {name: asdict(one) for name, one in found.items()}
    (out / "proof.json").write_text(json.dumps({"machine": about, "parts": known}, indent=1))
    lines = [f"# On {about}", "", "| part | | seconds | tests |", "|---|---|---|---|"]
    for name, one in found.items():
        told = ", ".join(f"{count} {how}" for how, count in one.counts.items())
        lines.append(f"| {name} | {one.status} | {one.seconds:.0f} | {told} |")
    for name, one in found.items():
        lines += ["", f"## {name}", ""] if one.failed or one.table else []
        lines += [*(f"- {test}" for test in one.failed), *one.table]
    (out / "proof.md").write_text("\n".join(lines) + "\n")


def machine() -> str:
    """The device, in a line."""
    import torch

    if not torch.cuda.is_available():
        return f"CPU, torch {torch.__version__}"
    there = torch.cuda.get_device_properties(0)
    size = there.total_memory / 2**30
    return f"{there.name}, {size:.0f} GiB, torch {torch.__version__}, CUDA {torch.version.cuda}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [part.name for part in PARTS]
    parser.add_argument("--out", type=Path, default=Path("gpu-proof"), help="folder of the results")
    parser.add_argument("--seconds", type=float, default=560, help="for all parts together")
    parser.add_argument("--only", nargs="+", default=names, choices=names, metavar="PART")
    parser.add_argument("--small", action="store_true", help="a rehearsal on a CPU")
    asked = parser.parse_args(arguments)
    out = asked.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + asked.seconds
    about = machine()
    if about.startswith("CPU") and not asked.small:
        print("no CUDA device here; --small rehearses it on the CPU")
        return 2
    found = {part.name: Found() for part in PARTS if part.name in asked.only}
    write(out, found, about)
    with tempfile.TemporaryDirectory() as work:
        for part in PARTS:
            left = until - time.monotonic()
            if part.name in found and left > SHORTEST:
                limit = min(part.seconds, left)
                one = found[part.name] = run(part, out, Path(work), limit, asked.small)
                write(out, found, about)
                print(f"{part.name}: {one.status}, {one.seconds:.0f} s, {one.counts}", flush=True)
                for test in one.failed:
                    print(f"  {test}", flush=True)
    print(f"all of it: {out / 'proof.md'}")
    return 1 if any(one.status == "failed" for one in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
