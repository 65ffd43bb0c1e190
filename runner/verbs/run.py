"""`kandinsky run`: make images."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from runner.system.machine import cpu_cores, guess_device
from runner.workers import host


def main(arguments: list[str]) -> int:
    """Run a composed config, or all of a sweep's."""
    if _needs_workers(arguments):
        host.stand_by()
    try:
        # Imported here, so that the host starts before Hydra's imports.
        from runner.config.hydra.app import run_with_hydra
        from runner.verbs.jobs import run_one, run_sweep

        return run_with_hydra(run_one, arguments, "kandinsky", run_sweep)
    finally:
        host.stand_down()


def _needs_workers(arguments: Sequence[str]) -> bool:
    """Whether several workers of this machine are likely, so that their imports can start now."""
    keys = {argument.partition("=")[0].lstrip("+") for argument in arguments}
    return (
        not keys.isdisjoint({"-m", "--multirun", "axes"})
        and keys.isdisjoint({"workers", "device", "bench", "hydra/launcher"})
        and sys.platform.startswith("linux")
        and cpu_cores() > 1
        and guess_device() == "cpu"
    )
