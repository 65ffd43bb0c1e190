"""Opens a plan's MLflow session where the config asks for one, and closes it at the end."""

from __future__ import annotations

import sys
from pathlib import Path

from runner.config.choices import Tracker
from runner.planning.plan import Plan
from runner.system.text import for_outputs
from runner.tracking.session import TrackingSession


def open_session(plan: Plan, name: str) -> TrackingSession | None:
    """The session for a plan's records; None: it is not tracked."""
    tracking = plan.run.tracking
    if tracking.tracker is not Tracker.mlflow:
        return None
    return TrackingSession(plan.run.output_dir, tracking.uri, name)


def close_session(session: TrackingSession, output_dir: Path) -> dict[str, str]:
    """Wait for the records to be delivered; print a message where they are not. See
    `TrackingSession.close`.
    """
    ids = session.close()
    if not ids:
        sync = for_outputs("sync", output_dir)
        print(f"MLflow: the records are kept; deliver them with: {sync}", file=sys.stderr)
        if session.problem and session.problem != session.told:
            print(f"  {session.problem}", file=sys.stderr)
    return ids
