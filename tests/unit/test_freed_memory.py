"""Freed memory that a worker keeps is not asked of the system again, and can be given back."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from pathlib import Path
from runner.system.freed_memory import give_back_freed_memory, keep_freed_memory

def fill():
    parts = [bytearray(b"x") * (4 << 20) for _ in range(8)]

def faults(call):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    call()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

if "keep" in sys.argv:
    keep_freed_memory()
if "open" in sys.argv:
    from runner.catalog.offload import NONE
    from runner.config.choices import CacheMode
    from runner.planning.profile import ExecutionProfile
    from runner.workers.setup import WorkerSetup, open_pipelines
    profile = ExecutionProfile(CacheMode.off, "cpu", 1, None, NONE, None, 1)
    open_pipelines(WorkerSetup((), profile, ()))
fill()
fill()
print(faults(fill))
kept = resident()
give_back_freed_memory()
print(kept - resident())
"""
PAGES = (32 << 20) // os.sysconf("SC_PAGE_SIZE")


def pages(*arguments: str, **environment: str) -> tuple[int, int]:
    """Pages of 32 MiB that were asked for a third time, and those that were then given back."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    asked, given_back = map(int, done.stdout.split())
    return asked, given_back


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_freed_memory_is_kept_and_given_back() -> None:
    asked, given_back = pages("keep")
    assert asked < PAGES / 10
    assert given_back > PAGES * 0.9
    # Not where the user has chosen.
    asked, _ = pages("keep", MALLOC_TRIM_THRESHOLD_="100000", MALLOC_MMAP_THRESHOLD_="100000")
    assert asked > PAGES * 0.9


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_every_process_that_opens_pipelines_keeps_it() -> None:
    """Also one that is no worker: times are of the same allocator however a command is typed."""
    asked, _ = pages("open")
    assert asked < PAGES / 10
