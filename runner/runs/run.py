"""One cell, from its RunConfig to images, manifest, MLflow run and exit status."""

from __future__ import annotations

import secrets
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from runner.config.choices import CacheMode, Progress, Tracker
from runner.config.run_config import RunConfig
from runner.engine.execute import Engine, Outcome
from runner.engine.store import Store
from runner.engine.store_care import trim
from runner.errors import RunnerError, shown
from runner.planning.plan import Plan
from runner.planning.planner import make_plan, results_dir
from runner.recording.cells import CellRecord
from runner.recording.manifest import FAILED, FINISHED, KILLED, MANIFEST
from runner.recording.progress import display_for
from runner.recording.run_folder import RunFolder
from runner.system.credentials import without_credentials
from runner.system.files import new_folder
from runner.system.signals import interrupt, signals
from runner.system.text import counted, for_outputs, path_here
from runner.tracking.session import TrackingSession
from runner.workers.choose import open_workers

SUCCESS, FAILURE = 0, 1


@dataclass(frozen=True)
class Finished:
    """How a run ended.

    Attributes:
        status: 0, or 1 where a stage failed.
        folder: of what it made.
        summary: what was made, for people.
    """

    status: int
    folder: Path
    summary: str = ""


def execute(run: RunConfig) -> Finished:
    """Plan, generate, record.

    Raises:
        RunnerError: it could not go on at all.
        Interrupted: Ctrl-C or SIGTERM; what was made is kept and recorded.
    """
    started = time.perf_counter()
    plan = make_plan(run, download=True)
    run_id = f"{datetime.now():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    path = new_folder(run.output_dir, run.name)
    announce(plan)
    session: TrackingSession | None = None
    record: CellRecord | None = None
    whole, status = True, FAILED
    with signals(interrupt):
        try:
            session = session_of(plan, run_id)
            record = CellRecord(plan, run_id, path, session, run_name=f"{run.name}-{run_id[-8:]}")
            outcome = _generate(plan, record)
            status = FINISHED if outcome.succeeded else FAILED
        except KeyboardInterrupt:
            status = KILLED
            raise
        except RunnerError as error:
            if record:
                record.failed(error)
            raise
        finally:
            # Whatever happened, what was made is on record; a second Ctrl-C does not cut it off.
            with signals(signal.SIG_IGN):
                if record:
                    # Now already: should it be killed while it waits, the manifest is true.
                    whole = record.end(status, time.perf_counter() - started)
                if session:
                    ids = close_session(session, run.output_dir)
                    if record:
                        record.folder.mlflow_run_id = ids.get(run_id)
                        whole = record.save_manifest(status)
    if run.debug:
        print_tracebacks(outcome)
    summary = _summary(plan, record.folder, time.perf_counter() - started)
    status_of_process = SUCCESS if outcome.succeeded and whole else FAILURE
    return Finished(status_of_process, record.folder.path, summary)


def print_tracebacks(outcome: Outcome) -> None:
    """Where each failed node failed."""
    for failure in outcome.failed.values():
        traceback.print_exception(failure)


def announce(plan: Plan) -> None:
    """What will be done, on stderr; warnings first."""
    for warning in plan.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if plan.run.progress is Progress.quiet:
        return
    images, stages = counted(len(plan.images), "image"), counted(len(plan.graph), "stage")
    print(f"{images}, {stages}, device {plan.device}", file=sys.stderr)
    if plan.device == "cpu":
        print(f"CPU threads: {plan.threads} ({plan.threads_reason})", file=sys.stderr)


def session_of(plan: Plan, name: str) -> TrackingSession | None:
    """Where a plan's records go; None: nowhere."""
    tracking = plan.run.tracking
    if tracking.tracker is not Tracker.mlflow:
        return None
    return TrackingSession(plan.run.output_dir, tracking.uri, name)


def close_session(session: TrackingSession, output_dir: Path) -> dict[str, str]:
    """Wait for the records to be delivered, and say so where they are not. See `close` there."""
    ids = session.close()
    if not ids:
        sync = for_outputs("sync", output_dir)
        print(f"MLflow: the records are kept; deliver them with: {sync}", file=sys.stderr)
        if session.problem:
            print(f"  {shown(session.problem)}", file=sys.stderr)
    return ids


def _generate(plan: Plan, record: CellRecord) -> Outcome:
    store = Store(results_dir(plan.run.output_dir), plan.run.cache)
    started = time.time()
    with display_for(plan.run.progress) as display:
        engine = Engine(
            open_workers([plan]), store, [record, display], batch_size=plan.materials.batch_size
        )
        outcome = engine.execute(plan.graph)
    keep_within_bounds(plan.run, started)
    return outcome


def keep_within_bounds(run: RunConfig, started: float) -> None:
    """Trim the store to `cache.max_gb`; what was used since `started` (a time stamp) stays."""
    if run.cache_max_gb is None or run.cache is CacheMode.off:
        return
    done = trim(results_dir(run.output_dir), round(run.cache_max_gb * 1e9), started)
    if done.removed and run.progress is not Progress.quiet:
        dropped = counted(done.removed, "stored result")
        print(f"cache.max_gb: {dropped} dropped, the least recently used", file=sys.stderr)


def _summary(plan: Plan, folder: RunFolder, seconds: float) -> str:
    run = plan.run
    reused = sum(image.reused for image in folder.images)
    from_store = f", {reused} of them from earlier runs" if reused else ""
    of_all = counted(len(plan.images), "image")
    newest = f"{path_here(run.output_dir)}/latest"
    lines = [
        f"{len(folder.images)} of {of_all} in {seconds:.1f} s{from_store}",
        f"  pictures  {path_here(folder.path)}/   (newest: {newest})",
    ]
    if folder.failures:
        lines.append(f"  failed    {counted(len(folder.failures), 'stage')}, see {MANIFEST} there")
    if folder.mlflow_run_id is not None:
        if run.tracking.uri is not None:
            where = f" at {without_credentials(run.tracking.uri)}"
        else:
            where = f"; open it with: {for_outputs('ui', run.output_dir)}"
        lines.append(f"  MLflow    run {folder.mlflow_run_id}{where}")
    return "\n".join(lines)
