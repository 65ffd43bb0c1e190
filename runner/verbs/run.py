"""`kandinsky run`: make images."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from runner.system.machine import accelerators, cpu_cores, guess_device
from runner.tracking import writers
from runner.verbs.joining import joining
from runner.workers import host
from runner.workers.residence_folder import any_stays

MULTIRUN = ("-m", "--multirun")
SHOWING = frozenset(("-c", "--cfg", "-h", "--help", "--hydra-help", "-i", "--info"))
"""Flags with which Hydra shows something, and nothing runs."""


def main(arguments: list[str]) -> int:
    """Run a composed config, or all of a sweep's."""
    arguments = joining(arguments)
    host.stand_by(_hosts(arguments))
    if _needs_writer(arguments):
        writers.stand_by(yielding=_is_sweep(arguments))
    try:
        # Imported here, so that the host starts before Hydra's imports.
        from runner.config.hydra.app import run_with_hydra
        from runner.verbs.jobs import SweepJob, run_one
        from runner.workers import hint

        sweep = SweepJob(arguments)
        status = run_with_hydra(run_one, arguments, "kandinsky", sweep)
        sweep.tell_best()
        if status == 0:
            hint.tell()
        return status
    finally:
        host.stand_down()
        writers.stand_down()


def _needs_writer(arguments: Sequence[str]) -> bool:
    """Whether this is likely a command that is tracked, whose end waits for MLflow."""
    flags = {argument for argument in arguments if argument.startswith("-")}
    return cpu_cores() > 1 and not (
        flags - {*MULTIRUN}
        or any(argument.startswith(("tracking=none", "hydra")) for argument in arguments)
    )


def _is_sweep(arguments: Sequence[str]) -> bool:
    """Whether this is likely a sweep, whose workers import first."""
    return any(argument in MULTIRUN or argument.startswith("axes") for argument in arguments)


def _hosts(arguments: Sequence[str]) -> list[int]:
    """Places of the host processes of this machine that are likely to be needed, so that their
    imports can start now: on accelerators one process each, also for one run; on a CPU one that is
    forked, where a sweep may need several workers, or some are to stay. None where some do already.
    """
    given = {key.lstrip("+"): value for key, _, value in (one.partition("=") for one in arguments)}
    if given.keys() & {*SHOWING, "hydra/launcher"} or os.name != "posix":
        return []
    sweep = not given.keys().isdisjoint({*MULTIRUN, "axes"})
    keeps = not given.keys().isdisjoint({"workers.keep", "workers_keep"})
    here = guess_device()
    device = here if given.get("device", "auto") == "auto" else given["device"]
    if any_stays(device):
        return []
    if device.startswith("cuda") and here == "cuda":
        several = sweep and device == "cuda" and given.keys().isdisjoint({"workers", "bench"})
        return [1] * (min(accelerators(), cpu_cores()) if several else 1)
    several = sweep and given.keys().isdisjoint({"workers", "bench"})
    forked = device == "cpu" and sys.platform.startswith("linux") and cpu_cores() > 1
    return [cpu_cores()] if (several or keeps) and forked else []
