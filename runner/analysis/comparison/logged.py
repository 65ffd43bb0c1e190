"""Logs files on a sweep as artifacts of its MLflow run, whose status stays."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.analysis.comparison.writing import FOLDER
from runner.analysis.results import SweepResult
from runner.catalog.tracking import STORE, sqlite_path
from runner.config.choices import Tracker
from runner.config.texts import text_problem
from runner.errors import TrackingError, format_value
from runner.recording.recorded import read_config
from runner.recording.sweep_record import SweepRecord, is_running
from runner.system.files import fit_name
from runner.system.text import for_outputs
from runner.tracking.places import absolute_uri, is_named
from runner.tracking.session import TrackingSession, now_ms
from runner.tracking.spool import SPOOLS


def log(
    results: SweepResult,
    files: Sequence[Path],
    folder_there: str = FOLDER,
    what: str = "comparison",
    *,
    tags: Mapping[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
) -> None:
    """Deliver the files, tags and metrics to the sweep's MLflow run; later where its server does
    not answer.

    Does nothing where the sweep was not tracked, or where its MLflow store is gone.

    Args:
        what: the files, for messages.
    """
    folder = results.folder.resolve()
    if is_running(folder):  # its records are still being delivered
        return
    if (problem := text_problem(str(folder))) is not None:
        print(f"warning: the {what} is not in MLflow: {folder} {problem}", file=sys.stderr)
        return
    sweep_id = SweepRecord.read(folder).sweep_id
    # Where the run's MLflow ids are not known yet: the runner's own id is the sweep's.
    runs = list(results.runs) or [sweep_id]
    output_dir = folder.parents[1]
    for number, (uri, experiments) in enumerate(_stores(results).items()):
        if uri is not None and not is_named(absolute_uri(uri)):
            # The record may come from anyone, and MLflow would send the user's token there.
            print(
                f"warning: the {what} is not in MLflow: the runs are at {uri}, which no "
                f"command of yours has named on this machine; if you trust it: --to {uri}",
                file=sys.stderr,
            )
        elif _is_there(uri, output_dir):
            # Named as a later attempt at the sweep, with a number that no attempt has: so the
            # records of earlier attempts are delivered first.
            name = f"{sweep_id}{f'-{number}' if number else ''}.{now_ms()}"
            records: list[tuple[str, Mapping[str, Any]]] = []
            if tags:
                records.append(("tags", {"tags": dict(tags)}))
            if metrics:
                values = {"metrics": dict(metrics), "time_ms": now_ms(), "step": 0}
                records.append(("metrics", values))
            _log(output_dir, uri, name, runs, experiments, files, folder_there, what, records)


def _stores(results: SweepResult) -> dict[str | None, list[str]]:
    """Tracking address -> the experiments that the cells have there."""
    found: dict[str | None, dict[str, None]] = {}
    for cell in results.cells:
        if cell.manifest is not None:
            tracking = read_config(cell.manifest.config).tracking
            if tracking.tracker == Tracker.mlflow.name:
                experiment = tracking.experiment or fit_name(cell.manifest.name)
                found.setdefault(tracking.uri, {})[experiment] = None
    return {uri: list(experiments) for uri, experiments in found.items()}


def _log(
    output_dir: Path,
    uri: str | None,
    name: str,
    runs: Sequence[str],
    experiments: Sequence[str],
    files: Sequence[Path],
    folder_there: str,
    what: str,
    records: Sequence[tuple[str, Mapping[str, Any]]],
) -> None:
    try:
        session = TrackingSession(output_dir, uri, name)
    except TrackingError as error:
        print(f"warning: {error}; the {what} is not in MLflow", file=sys.stderr)
        return
    for run in runs:
        # Looked up, not begun again: the run keeps its status and times.
        for experiment in experiments:
            session.look_up(run, experiment)
        for file in files:
            session.file(run, file, folder_there)
        for kind, content in records:
            session.append(kind, run, **content)
    session.close()
    if (output_dir / SPOOLS / name).exists():
        sync = for_outputs("sync", output_dir)
        print(f"MLflow: the {what} is kept; deliver it with: {sync}", file=sys.stderr)
        if session.problem:
            print(f"  {format_value(session.problem)}", file=sys.stderr)


def _is_there(uri: str | None, output_dir: Path) -> bool:
    """Whether the store exists: none is created for a sweep folder that was moved."""
    path = sqlite_path(uri) if uri else output_dir / STORE
    return path is None or path.is_file()
