"""What `compile.regional` saves: whole and regional compiling of a deep Kandinsky 5, on a CPU.

    .venv/bin/python benchmarks/regional.py            # 2 minutes of CPU time
    .venv/bin/python benchmarks/regional.py --blocks 12 30

draws nothing: it calls a transformer of random weights, as deep as is asked and narrower than the
published one (50 blocks), on 256 tokens of a picture and 64 of a text. Each way runs in a process
of its own, which finds nothing compiled; one is not compiled. Seconds are of the CPU, with those of
the compiler's processes, so that other work on the machine counts less.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import Any

import torch
from diffusers import Kandinsky5Transformer3DModel

from runner.graph.node import CompileSpec
from runner.pipelines.compilation import compile_module

WAYS = {
    "not compiled": None,
    "whole": CompileSpec("default", fullgraph=True, channels_last=False),
    "regional": CompileSpec("default", fullgraph=True, channels_last=False, regional=True),
}
SIDE, TOKENS, TEXT, POOLED = 32, 64, 128, 64
STEPS = 20
FRESH = {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--blocks", type=int, nargs="+", default=[12])
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way is not None:
        print(json.dumps(measure(given.way, given.blocks[0])))
        return
    print("| blocks | way | first call | a step after |\n|---|---|---|---|")
    for blocks in given.blocks:
        for way in WAYS:
            first, later = measured_apart(way, blocks)
            print(f"| {blocks} | {way} | {first:.1f} s | {later * 1000:.0f} ms |", flush=True)


def measured_apart(way: str, blocks: int) -> tuple[float, float]:
    """`measure`, in a process that has compiled nothing and takes nothing that is kept."""
    command = [sys.executable, __file__, "--way", way, "--blocks", str(blocks)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **FRESH}
    )
    first, later = json.loads(done.stdout.splitlines()[-1])
    return first, later


@torch.inference_mode()
def measure(way: str, blocks: int) -> tuple[float, float]:
    """CPU seconds of the first call, and of one of those after it."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    module: Any = Kandinsky5Transformer3DModel(
        in_visual_dim=16, out_visual_dim=16, in_text_dim=TEXT, in_text_dim2=POOLED, time_dim=128,
        model_dim=256, ff_dim=1024,
        num_text_blocks=2, num_visual_blocks=blocks, axes_dims=(16, 24, 24),
    ).eval()  # fmt: skip
    if (spec := WAYS[way]) is not None:
        compile_module(module, spec)
    positions = torch.arange(SIDE // 2)
    call = {
        "hidden_states": torch.randn(1, 1, SIDE, SIDE, 16),
        "encoder_hidden_states": torch.randn(1, TOKENS, TEXT),
        "timestep": torch.tensor([500.0]),
        "pooled_projections": torch.randn(1, POOLED),
        "visual_rope_pos": [torch.arange(1), positions, positions],
        "text_rope_pos": torch.arange(TOKENS),
        "return_dict": False,
    }
    begun = cpu_seconds()
    module(**call)
    ready = cpu_seconds()
    for _ in range(STEPS):
        module(**call)
    return ready - begun, (cpu_seconds() - ready) / STEPS


def cpu_seconds() -> float:
    """Of this process and of those that it has started."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    main()
