"""Finds, renames and deletes sweeps that are there: their folders, and their runs in MLflow."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from runner.catalog.tracking import STORE, sqlite_path
from runner.config.choices import Tracker
from runner.config.output_dir import check_name
from runner.errors import ConfigError, StorageError, TrackingError
from runner.recording.recorded import read_config
from runner.recording.sweep_record import (
    SWEEP,
    SweepRecord,
    hold_sweep,
    list_sweeps,
    manifests_of,
    named_sweep,
)
from runner.runs.names import sweep_name
from runner.system.files import LATEST, fit_name
from runner.tracking.session import TrackingSession, now_ms
from runner.tracking.spool import SPOOLS, TARGET

KEY = "sweep"
"""What errors call the sweep that was named."""


@dataclass(frozen=True)
class KeptSweep:
    """A sweep's folder and record.

    Attributes:
        named: by which words.
    """

    named: str
    path: Path
    record: SweepRecord

    @property
    def output_dir(self) -> Path:
        return self.path.parents[1]

    def where(self) -> tuple[dict[str | None, set[str]], list[str]]:
        """Local MLflow stores, each with its experiments that have runs of it (None: the one in
        the output folder); and the addresses of others.
        """
        local: dict[str | None, set[str]] = {}
        others: dict[str, None] = {}
        for manifest in manifests_of(self.path, self.record.cells).values():
            tracking = read_config(manifest.config).tracking
            if tracking.tracker != Tracker.mlflow.name:
                continue
            uri = tracking.uri
            file = sqlite_path(uri) if uri else self.output_dir / STORE
            if file is not None and file.is_file():
                experiment = tracking.experiment or fit_name(manifest.name)
                local.setdefault(uri, set()).add(experiment)
            elif uri:
                others[uri] = None
        return local, list(others)

    def run_ids(self) -> tuple[list[str], list[str]]:
        """The runner's own ids: of the sweep's runs in MLflow, and of its cells'."""
        cells = [m.run_id for m in manifests_of(self.path, self.record.cells).values()]
        return list(self.record.runs) or [self.record.sweep_id], cells


def find_kept(named: str, output_dir: Path) -> KeptSweep:
    """The sweep of an id, a name or a folder, or the `last` one.

    Raises:
        ConfigError: there is none; or its records are not all in MLflow yet.
    """
    folder = Path(named).resolve()
    if (folder / SWEEP).is_file():
        output_dir, named_there = folder.parents[1], str(folder)
    else:
        named_there = named
    path, record = named_sweep(output_dir, named_there, KEY)
    if list((output_dir / SPOOLS).glob(f"{record.sweep_id}*/{TARGET}")):
        problem = "has records that MLflow does not have yet"
        raise ConfigError(KEY, named, problem, f"first: kandinsky sync {output_dir}")
    return KeptSweep(named, path, record)


@contextlib.contextmanager
def held(sweep: KeptSweep) -> Iterator[None]:
    """Keep other commands off a sweep. Raises as `hold_sweep`."""
    with hold_sweep(sweep.path, KEY, sweep.named):
        yield


def rename(sweep: KeptSweep, name: str) -> Path:
    """Give a sweep another name, in its record, folder and MLflow run. Returns the folder.

    Raises:
        ConfigError: it is no name, or there is such a folder; or the sweep is running.
    """
    check_name(name)
    target = sweep.output_dir / fit_name(name) / sweep.path.name
    if target.exists() and target != sweep.path:
        raise ConfigError("name", name, f"{target} is there already")
    with held(sweep):
        parents, _ = sweep.run_ids()
        tags = {"mlflow.runName": sweep_name(name, sweep.record.axes)}
        with_mlflow(sweep, parents, lambda session, run: session.append("tags", run, tags=tags))
        replace(sweep.record, name=name).write(sweep.path)
        if target != sweep.path:
            try:
                target.parent.mkdir(exist_ok=True)
                sweep.path.rename(target)
            except OSError as error:
                raise StorageError(f"cannot make {target}: {error.strerror}") from error
            _tidy(sweep, target)
    return target


def delete(sweep: KeptSweep) -> None:
    """Remove a sweep's folder, and its runs from local MLflow stores."""
    with held(sweep):
        parents, cells = sweep.run_ids()
        with_mlflow(sweep, [*cells, *parents], lambda session, run: session.append("delete", run))
        remove(sweep)


def remove(sweep: KeptSweep) -> None:
    """Remove a sweep's folder, in one step: no half of it is ever listed. Raises StorageError."""
    aside = sweep.output_dir / f".deleted-{secrets.token_hex(8)}"
    try:
        sweep.path.rename(aside)
    except OSError as error:
        raise StorageError(f"cannot remove {sweep.path}: {error.strerror}") from error
    left = [path for path, _ in list_sweeps(sweep.output_dir)]
    _tidy(sweep, left[-1] if left else None)
    shutil.rmtree(aside, ignore_errors=True)


def with_mlflow(
    sweep: KeptSweep, runs: list[str], change: Callable[[TrackingSession, str], None]
) -> None:
    """Change runs in the local MLflow stores that have them.

    Raises:
        TrackingError: MLflow did not take it; nothing else has been changed.
    """
    local, _ = sweep.where()
    for uri, experiments in local.items():
        name = f"{sweep.record.sweep_id}.{now_ms()}"
        session = TrackingSession(sweep.output_dir, uri, name)
        for run in runs:
            for experiment in sorted(experiments):
                session.look_up(run, experiment)
            change(session, run)
        session.close()
        if (sweep.output_dir / SPOOLS / name).exists():
            why = f": {session.problem}" if session.problem else ""
            raise TrackingError(f"MLflow has not taken the change yet{why}; try once more")


def size_of(path: Path) -> tuple[int, int]:
    """How many pictures a folder has, and how many bytes."""
    files = [Path(top, name) for top, _, names in os.walk(path) for name in names]
    pictures = sum(file.suffix == ".png" and file.parent.parent == path for file in files)
    return pictures, sum(file.lstat().st_size for file in files)


def _tidy(sweep: KeptSweep, instead: Path | None) -> None:
    """Once its folder is gone: the link to the newest, and the folder of its name if empty."""
    link = sweep.output_dir / LATEST
    with contextlib.suppress(OSError):
        if link.is_symlink() and not link.exists():
            link.unlink()
            if instead is not None:
                link.symlink_to(
                    os.path.relpath(instead, sweep.output_dir), target_is_directory=True
                )
    with contextlib.suppress(OSError):
        sweep.path.parent.rmdir()
