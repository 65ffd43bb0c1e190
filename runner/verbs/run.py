"""`kandinsky run`: make images."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from runner.system.machine import cpu_cores, guess_device
from runner.tracking import writers
from runner.workers import host


def main(arguments: list[str]) -> int:
    """Run a composed config, or all of a sweep's."""
    arguments = joining(arguments)
    if _needs_workers(arguments):
        host.stand_by()
    if _needs_writer(arguments):
        writers.stand_by()
    try:
        # Imported here, so that the host starts before Hydra's imports.
        from runner.config.hydra.app import run_with_hydra
        from runner.verbs.jobs import SweepJob, run_one

        sweep = SweepJob(arguments)
        status = run_with_hydra(run_one, arguments, "kandinsky", sweep)
        sweep.tell_best()
        return status
    finally:
        host.stand_down()
        writers.stand_down()


def joining(arguments: list[str]) -> list[str]:
    """The arguments of a command that joins a sweep, with what it leaves unsaid of that."""
    if not any(argument.startswith("into=") for argument in arguments):
        return arguments
    # Imported here, as only these commands need it.
    from runner.runs.unsaid import with_unsaid

    found, taken = with_unsaid(arguments)
    if taken and "progress=quiet" not in arguments:
        print(f"as in the sweep: {shlex.join(taken)}", file=sys.stderr)
    return found


def _needs_writer(arguments: Sequence[str]) -> bool:
    """Whether this is likely one run that is tracked, whose end waits for MLflow. In a sweep
    MLflow's imports would hold up those of the workers.
    """
    return cpu_cores() > 1 and not any(
        argument.startswith(("-", "axes", "tracking=none", "hydra")) for argument in arguments
    )


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
