"""Folders that stand behind an option of several values: `compare --by scheduler FOLDER`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from runner.recording.sweep_record import SWEEP


def folders_behind(options: Iterable[list[str] | None]) -> list[Path]:
    """Take the last values that are sweeps' folders out of options that have others besides."""
    found: list[Path] = []
    for values in options:
        while values and len(values) > 1 and _is_sweep(values[-1]):
            found.insert(0, Path(values.pop()))
    return found


def _is_sweep(text: str) -> bool:
    try:
        return (Path(text) / SWEEP).is_file()
    except OSError:  # a prompt may be too long for a name
        return False
