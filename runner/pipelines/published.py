"""Makes folders of published files that have another layout, each in a process of its own."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

from runner.errors import StorageError, WeightsError
from runner.system.locks import hold
from runner.system.machine import module_command, module_environment
from runner.weights.found import FoundCheckpoint


def make_folder(found: FoundCheckpoint) -> None:
    """Make the folder of a checkpoint whose files are all there, if nobody has made it meanwhile.

    In a process of its own, so that its memory is given back and the caller needs no torch.

    Raises:
        WeightsError: the files are not those that were published, or there is no room.
        StorageError: the folder cannot be written.
    """
    making, original = found.making, found.checkpoint.original
    assert making is not None
    assert original is not None
    try:
        done = subprocess.run(
            module_command(original.converter, str(making.source), str(making.target)),
            capture_output=True, text=True, check=False,
            env=module_environment(),
        )  # fmt: skip
        if done.returncode == 0:
            return
    finally:
        _remove_parts(making.target.parent)
    lines = done.stderr.strip().splitlines() or [f"its process ended ({done.returncode})"]
    said = f"cannot be converted: {done.stdout.strip() or lines[-1]}"
    if done.returncode == WeightsError.exit_status:
        raise WeightsError(found.key, found.repo, said)
    raise StorageError(f"{found.repo} {said} (KANDINSKY_CACHE=<folder> names another place)")


def _remove_parts(folder: Path) -> None:
    """Remove what a converter left that was killed, unless another one writes there now."""
    with contextlib.suppress(OSError), hold(folder / ".lock"):
        for part in folder.glob(".*.part"):
            shutil.rmtree(part, ignore_errors=True)
