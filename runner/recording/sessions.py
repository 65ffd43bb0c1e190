"""Opens a plan's MLflow session where the config asks for one, and closes it at the end."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from runner.config.choices import Progress, Tracker
from runner.planning.plan import Plan
from runner.recording.display import settle_progress, write_event
from runner.system.signals import signals
from runner.system.text import for_outputs, pluralize
from runner.tracking.session import TrackingSession


def open_session(plan: Plan, name: str) -> TrackingSession | None:
    """The session for a plan's records; None: it is not tracked."""
    tracking = plan.run.tracking
    if tracking.tracker is not Tracker.mlflow:
        return None
    return TrackingSession(plan.run.output_dir, tracking.uri, name)


def close_session(session: TrackingSession, output_dir: Path, progress: Progress) -> dict[str, str]:
    """Wait for the records to be delivered; print a message where they are not. See
    `TrackingSession.close`. While it tells that it waits, Ctrl-C and SIGTERM end the wait.
    """
    sync = for_outputs("sync", output_dir)
    with contextlib.ExitStack() as told:

        def on_wait(runs: int) -> None:
            told.enter_context(signals(lambda *_: session.stop_waiting()))
            _tell_wait(progress, runs, sync)

        ids = session.close(on_wait)
    if not ids:
        print(f"MLflow: the records are kept; deliver them with: {sync}", file=sys.stderr)
        if session.problem and session.problem != session.told:
            print(f"  {session.problem}", file=sys.stderr)
    return ids


def _tell_wait(progress: Progress, runs: int, sync: str) -> None:
    progress = settle_progress(progress)
    if progress is Progress.json:
        write_event("delivering", runs=runs)
    elif progress is not Progress.quiet:
        print(
            f"MLflow: the records of {pluralize(runs, 'run')} are still being delivered; "
            f"Ctrl-C leaves them to: {sync}",
            file=sys.stderr,
            flush=True,
        )
