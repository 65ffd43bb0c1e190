"""A line that tells once that workers can stay, after a command that was long in starting."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from runner.config.choices import Progress
from runner.config.run_config import RunConfig
from runner.system.user_cache import user_cache_dir

LONG_SECONDS = 2.0
TOLD = "told-of-workers-keep"
TEXT = (
    "workers.keep=10m keeps the models loaded for ten minutes after a command, so that the next "
    "one begins at once (this is said once)"
)
T = TypeVar("T")

_was_long = False


def watching(opening: Callable[[], T], run: RunConfig) -> Callable[[], T]:
    """The function, which notes whether opening pipelines in this process takes long."""

    def opened() -> T:
        global _was_long
        began = time.perf_counter()
        pipelines = opening()
        quiet = run.progress in (Progress.quiet, Progress.json) or run.bench is not None
        _was_long = not quiet and time.perf_counter() - began > LONG_SECONDS
        return pipelines

    return opened


def tell() -> None:
    """Print the line, if it was long, somebody watches and was not told before."""
    if not (_was_long and sys.platform.startswith("linux") and sys.stderr.isatty()):
        return
    told = user_cache_dir() / TOLD
    with contextlib.suppress(OSError):
        told.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        told.touch(exist_ok=False)
        print(TEXT, file=sys.stderr)
