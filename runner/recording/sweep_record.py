"""sweep.json: the cells of a sweep, and how far it came."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runner.system.files import write_whole
from runner.system.locks import is_held

SWEEP = "sweep.json"


LOCK = ".lock"


VERSION = 1


@dataclass(frozen=True)
class CellEntry:
    """A cell in `sweep.json`: its overrides, its folder's name, what it would make."""

    number: int
    overrides: tuple[str, ...]
    folder: str
    fingerprint: str


@dataclass(frozen=True)
class SweepRecord:
    """`sweep.json`.

    Attributes:
        sweep_id: the runner's own.
        fingerprint: of all cells, in order: the same command has the same one.
        status: RUNNING, FINISHED, FAILED or KILLED.
        attempts: how often it was begun.
        runs: MLflow runs of the sweep itself, by experiment.
        command: what runs it; "" in records from before that was kept.
    """

    sweep_id: str
    fingerprint: str
    name: str
    status: str
    attempts: int
    started: str
    seconds: float
    axes: Mapping[str, Sequence[str]]
    runs: Mapping[str, str]
    cells: tuple[CellEntry, ...]
    command: str = ""


def find(output_dir: Path, fingerprint: str) -> tuple[Path, SweepRecord] | None:
    """The newest sweep of a fingerprint."""
    for path, record in reversed(sweeps(output_dir)):
        if record.fingerprint == fingerprint:
            return path, record
    return None


def sweeps(output_dir: Path) -> list[tuple[Path, SweepRecord]]:
    """All sweeps of an output folder, oldest first. Files that cannot be read are left out."""
    found = []
    for file in output_dir.glob(f"*/*/{SWEEP}"):
        if not file.parents[1].is_symlink():
            try:
                found.append((file.parent, read_record(file.parent)))
            except (OSError, ValueError, TypeError, KeyError):
                continue
    return sorted(found, key=lambda one: one[1].started)


def read_record(folder: Path) -> SweepRecord:
    """`sweep.json` of a folder."""
    content: dict[str, Any] = json.loads((folder / SWEEP).read_text(encoding="utf-8"))
    if content.pop("version") != VERSION:
        raise ValueError(f"{folder / SWEEP} is of another version")
    cells = tuple(
        CellEntry(**{**cell, "overrides": tuple(cell["overrides"])}) for cell in content["cells"]
    )
    return SweepRecord(**{**content, "cells": cells})


def write_record(folder: Path, record: SweepRecord) -> None:
    """Write `sweep.json`, whole or not at all."""
    text = json.dumps({"version": VERSION, **asdict(record)}, indent=1, ensure_ascii=False)
    write_whole(folder / SWEEP, f"{text}\n".encode())


def is_running(folder: Path) -> bool:
    """Whether a process is at work on a sweep."""
    return is_held(folder / LOCK)
