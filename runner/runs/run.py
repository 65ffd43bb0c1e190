"""Runs one cell: from its RunConfig to images, manifest, MLflow run and exit status."""

from __future__ import annotations

import secrets
import signal
import time
from datetime import datetime

from runner.config.run_config import RunConfig
from runner.errors import RunnerError
from runner.recording.cells import CellRecord
from runner.recording.progress import display_for
from runner.recording.sessions import close_session, open_session
from runner.runs.execute import FAILURE, SUCCESS, Finished, execute_plans
from runner.runs.names import run_name
from runner.runs.prepare import prepare_run
from runner.runs.summary import announce_run, summary_of_run
from runner.system.files import new_folder
from runner.system.signals import interrupt, signals
from runner.tracking.session import TrackingSession
from runner.tracking.status import Status


def execute_run(run: RunConfig) -> Finished:
    """Plan, generate, record.

    Raises:
        RunnerError: the run could not go on.
        Interrupted: Ctrl-C or SIGTERM; finished images are kept and recorded.
    """
    started = time.perf_counter()
    plan = prepare_run(run)
    run_id = f"{datetime.now():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    path = new_folder(run.output_dir, run.name)
    announce_run(plan)
    session: TrackingSession | None = None
    record: CellRecord | None = None
    whole, status = True, Status.FAILED
    with signals(interrupt):
        try:
            session = open_session(plan, run_id)
            named = run_name(run.name, run.overrides, run_id)
            record = CellRecord(plan, run_id, path, session, run_name=named)
            with display_for(run.progress) as display:
                outcome = execute_plans([plan], [record, display])
            status = Status.FINISHED if outcome.succeeded else Status.FAILED
        except KeyboardInterrupt:
            status = Status.KILLED
            raise
        except RunnerError as error:
            if record:
                record.failed(error)
            raise
        finally:
            # Whatever happened, the record is written; a second Ctrl-C does not interrupt it.
            with signals(signal.SIG_IGN):
                if record:
                    # Before the wait: the manifest is right even if it is killed.
                    whole = record.end(status, time.perf_counter() - started)
                if session:
                    ids = close_session(session, run.output_dir, run.progress)
                    if record:
                        record.folder.mlflow_run_id = ids.get(run_id)
                        whole = record.save_manifest(status)
    summary = summary_of_run(plan, record.folder, time.perf_counter() - started)
    status_of_process = SUCCESS if outcome.succeeded and whole else FAILURE
    return Finished(status_of_process, record.folder.path, summary)
