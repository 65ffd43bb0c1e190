"""A line that tells once that workers can stay, after a command that has loaded models."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from runner.config.choices import Progress
from runner.engine.observer import Loaded, Observer, Observers
from runner.planning.plan import Plan
from runner.system.user_cache import user_cache_dir

TOLD = "told-of-workers-keep"
TEXT = (
    "workers.keep=10m keeps the models loaded for ten minutes after a command, so that the next "
    "one begins at once (this is said once)"
)

_have_loaded = False


class Watching(Observer):
    """Notes that models are loaded, in whatever process."""

    def pipeline_loaded(self, loaded: Loaded) -> None:
        global _have_loaded
        _have_loaded = True


def watching(observer: Observer, plans: Sequence[Plan]) -> Observer:
    """The observer of plans with the same execution profile, which also notes whether they load
    models. As it is where nothing but results is to be printed, and for a measurement, as none is
    kept for it.
    """
    runs = [plan.run for plan in plans]
    quiet = any(run.progress in (Progress.quiet, Progress.json) for run in runs)
    if quiet or any(run.bench is not None for run in runs):
        return observer
    return Observers((observer, Watching()))


def tell() -> None:
    """Print the line, if models were loaded, and somebody watches who was not told before."""
    if not (_have_loaded and sys.platform.startswith("linux") and sys.stderr.isatty()):
        return
    told = user_cache_dir() / TOLD
    with contextlib.suppress(OSError):
        told.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        told.touch(exist_ok=False)
        print(TEXT, file=sys.stderr)
