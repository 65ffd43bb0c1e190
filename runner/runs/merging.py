"""Merges a sweep into another one: its cells get the next numbers there, and it is gone."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.config.key_heads import head_of
from runner.errors import ConfigError, StorageError
from runner.recording.manifest import Manifest
from runner.recording.sweep_record import LOCK, SWEEP, CellEntry, SweepRecord, manifests_of
from runner.runs.fingerprint import hash_of, stem
from runner.runs.grown import parts_of
from runner.runs.sweep_axes import APART, axis_keys, with_axes
from runner.runs.sweep_care import KeptSweep, held, remove, with_mlflow
from runner.runs.sweep_tracking import CELL_TAG
from runner.runs.totals import merged_totals
from runner.system.files import below
from runner.system.untrusted import read_regular
from runner.tracking.session import TrackingSession
from runner.tracking.status import Status, status_of_all

LINES = ".jsonl"
"""Files of records that are only ever appended to, such as votes; pictures are found by pixels."""
MERGED = "merged"
"""Folder, in a sweep, of what else the sweeps had that were merged into it."""


def merge(into: KeptSweep, other: KeptSweep) -> tuple[int, int]:
    """Move the cells of one sweep into another.

    Until the record is written, nothing that was there has changed; a merge that was stopped is
    begun anew by the same command.

    Returns:
        how many cells were moved, and how many both had, of which the first keeps its own.

    Raises:
        ConfigError: they are one, of two output folders, or have cells that differ in nothing but
            prompts, seeds or metrics.
    """
    if into.path == other.path:
        raise ConfigError("sweep", other.named, "is the same sweep", "another one")
    if into.output_dir != other.output_dir:
        problem = f"is in another output folder than {into.named}"
        raise ConfigError("sweep", other.named, problem, "sweeps of one output folder")
    with held(into), held(other):
        mine = manifests_of(into.path, into.record.cells)
        its = manifests_of(other.path, other.record.cells)
        numbers, new = _numbers(into.record, other.record, mine, its)
        _check_apart(into, other, mine, its, new)
        entries = [_moved(entry, numbers) for entry in other.record.cells if entry.number in new]
        for entry in entries:
            source = next(e for e in other.record.cells if numbers[e.number] == entry.number)
            _copy(below(other.path, source.folder), below(into.path, entry.folder))
        configs: dict[int, Mapping[str, Any]] = {n: m.config for n, m in mine.items()}
        configs |= {numbers[n]: its[n].config for n in new if n in its}
        record = _record(into.record, other.record, entries, configs, numbers)
        parent = next(iter(into.record.runs.values()), None)
        record.write(into.path)
        here = manifests_of(into.path, record.cells)
        # Also those that a merge moved which was stopped here.
        cells = {manifest.run_id: number for number, manifest in here.items()}
        ids = [manifest.run_id for manifest in its.values() if manifest.run_id in cells]
        if parent is not None:
            with_mlflow(other, ids, lambda session, run: _under(session, run, parent, cells[run]))
        with_mlflow(other, other.run_ids()[0], lambda session, run: session.append("delete", run))
        _keep_rest(into.path, other)
        remove(other)
    return len(entries), len(other.record.cells) - len(entries)


def _numbers(
    into: SweepRecord,
    other: SweepRecord,
    mine: Mapping[int, Manifest],
    its: Mapping[int, Manifest],
) -> tuple[dict[int, int], set[int]]:
    """The number that each cell of the other gets, and which of them are new."""
    known = {entry.fingerprint: entry.number for entry in into.cells}
    free = max((entry.number for entry in into.cells), default=-1) + 1
    numbers, new = {}, set()
    for entry in other.cells:
        there = known.get(entry.fingerprint)
        if there is None:
            numbers[entry.number] = free
            new.add(entry.number)
            free += 1
        else:
            numbers[entry.number] = there
            done = mine.get(there)
            if _finished(its.get(entry.number)) and not _finished(done):
                raise ConfigError(
                    "sweep", into.sweep_id,
                    f"its cell {there} is not finished, and {other.sweep_id} has it",
                    f"kandinsky sweeps merge {other.sweep_id} {into.sweep_id}",
                )  # fmt: skip
    return numbers, new


def _finished(manifest: Manifest | None) -> bool:
    return manifest is not None and manifest.status == Status.FINISHED


def _check_apart(
    into: KeptSweep,
    other: KeptSweep,
    mine: Mapping[int, Manifest],
    its: Mapping[int, Manifest],
    new: set[int],
) -> None:
    """Two cells of the same settings would be one row with two values."""
    axes = {head_of(key) for key in (*into.record.axes, *other.record.axes)}
    apart = APART - axes
    known = {stem(manifest.config, apart): number for number, manifest in mine.items()}
    for number in sorted(new & its.keys()):
        there = known.get(stem(its[number].config, apart))
        if there is not None:
            raise ConfigError(
                "sweep", other.named,
                f"its cell {number} and cell {there} of {into.named} differ in nothing but "
                "prompts, seeds or metrics",
                f"to let that grow, which draws nothing anew: {other.record.commands[0]} "
                f"into={into.record.sweep_id}",
            )  # fmt: skip


def _moved(entry: CellEntry, numbers: Mapping[int, int]) -> CellEntry:
    number = numbers[entry.number]
    _, _, rest = entry.folder.partition("_")
    return replace(entry, number=number, folder=f"{number:04d}_{rest}" if rest else f"{number:04d}")


def _copy(source: Path, target: Path) -> None:
    if not source.is_dir():
        return  # a cell that has not begun
    try:
        shutil.rmtree(target, ignore_errors=True)  # left by a merge that was stopped
        shutil.copytree(source, target, symlinks=True)
    except (OSError, shutil.Error) as error:
        raise StorageError(f"cannot copy {source} to {target}: {error}") from error


def _record(
    into: SweepRecord,
    other: SweepRecord,
    entries: list[CellEntry],
    configs: Mapping[int, Mapping[str, Any]],
    numbers: Mapping[int, int],
) -> SweepRecord:
    all_cells = [*into.cells, *entries]
    keys = axis_keys([into.axes, other.axes], [cell.overrides for cell in all_cells])
    cells, axes = with_axes(all_cells, configs, keys)
    mine = parts_of(into)
    its = [
        replace(part, cells=tuple(numbers[number] for number in part.cells))
        for part in parts_of(other)
    ]
    return replace(
        into,
        fingerprint=hash_of([cell.fingerprint for cell in cells]),
        status=status_of_all((into.status, other.status)),
        attempts=into.attempts + 1,
        seconds=into.seconds + other.seconds,
        axes=axes,
        cells=cells,
        totals=merged_totals([into.totals, other.totals]),
        parts=(*mine, *(part for part in its if part not in mine)),
    )


def _under(session: TrackingSession, run: str, parent: str, cell: int) -> None:
    tags = {"mlflow.parentRunId": parent, CELL_TAG: str(cell)}
    session.append("tags", run, tags=tags)


def _keep_rest(into: Path, other: KeptSweep) -> None:
    """Keep what users made in the other's folder: votes with those of the first, all else apart."""
    own = {SWEEP, LOCK, *(cell.folder for cell in other.record.cells)}
    rest = [path for path in other.path.iterdir() if path.name not in own]
    for path in [path for path in rest if path.suffix == LINES]:
        _append(path, below(into, path.name))
        rest.remove(path)
    if rest:
        target = into / MERGED / other.record.sweep_id
        target.mkdir(parents=True, exist_ok=True)
        for path in rest:
            path.rename(target / path.name)


def _append(source: Path, target: Path) -> None:
    """Append the lines that are not there yet; whoever else appends holds the same lock."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        lines = read_regular(source).splitlines()
        with os.fdopen(os.open(target, flags, 0o666), "r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            there = file.read()
            known = {*there.splitlines()}
            new = [b""] if there and not there.endswith(b"\n") else []
            new += [line for line in lines if line not in known]
            file.write(b"".join(line + b"\n" for line in new))
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror}") from error
