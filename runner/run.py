"""One cell, from its RunConfig to images, manifest, MLflow run and exit status."""

from __future__ import annotations

import contextlib
import secrets
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from runner.config.choices import Precision, Progress, Tracker
from runner.config.credentials import without_credentials
from runner.config.run_config import RunConfig
from runner.engine import Engine, Outcome
from runner.errors import Interrupted, RunnerError, StorageError, shown
from runner.events import Observer
from runner.machine import peak_process_bytes
from runner.messages import command, counted, path_here
from runner.outputs import MANIFEST, RunFolder
from runner.planning import Plan, cache_dir, make_plan
from runner.progress import display_for
from runner.store import Store
from runner.tracking.observer import TrackingObserver, start_tracking

if TYPE_CHECKING:
    from runner.pipelines import Pipelines

SUCCESS, FAILURE = 0, 1
STOPPING = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Finished:
    """How a run ended: 0, or 1 where a stage failed; and the folder of what it made."""

    status: int
    folder: Path


def execute(run: RunConfig) -> Finished:
    """Plan, generate, record.

    Raises:
        RunnerError: it could not go on at all.
        Interrupted: Ctrl-C or SIGTERM; what was made is kept and recorded.
    """
    started = time.perf_counter()
    plan = make_plan(run, download=True)
    run_id = f"{datetime.now():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    folder = RunFolder(plan, run_id)
    tracking: TrackingObserver | None = None
    status = "FAILED"
    _announce(plan)
    with _signals(_interrupt):
        try:
            if run.tracking.tracker is Tracker.mlflow:
                tracking = start_tracking(plan, run_id)
                tracking.describe(plan)
                folder.on_saved = tracking.image_saved
            outcome = _generate(plan, [folder, *([tracking] if tracking else [])])
            status = "FINISHED" if outcome.succeeded else "FAILED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        except RunnerError as error:
            if tracking:
                tracking.failed(error)
            raise
        finally:
            # Whatever happened, what was made is on record; a second Ctrl-C does not cut it off.
            with _signals(signal.SIG_IGN):
                seconds = time.perf_counter() - started
                whole = _finish(folder, tracking, status, seconds, run.output_dir)
    if run.debug:
        for failure in outcome.failed.values():
            traceback.print_exception(failure)
    _summary(plan, folder, time.perf_counter() - started)
    return Finished(SUCCESS if outcome.succeeded and whole else FAILURE, folder.path)


def _announce(plan: Plan) -> None:
    for warning in plan.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if plan.run.progress is Progress.quiet:
        return
    images, stages = counted(len(plan.images), "image"), counted(len(plan.graph), "stage")
    print(f"{images}, {stages}, device {plan.device}", file=sys.stderr)
    if plan.device == "cpu":
        print(f"CPU threads: {plan.threads} ({plan.threads_reason})", file=sys.stderr)


def _generate(plan: Plan, recorders: list[Observer]) -> Outcome:
    store = Store(cache_dir(plan.run) / "results", plan.run.cache)
    with display_for(plan.run.progress) as shown:
        engine = Engine(lambda: _open_pipelines(plan), store, [*recorders, shown])
        return engine.execute(plan.graph)


def _open_pipelines(plan: Plan) -> Pipelines:
    # Here and not above: this imports torch, which a run from the store does not need.
    from runner import hardware
    from runner.loading import quiet_libraries
    from runner.offload import choose_offload, free_bytes
    from runner.pipelines import Pipelines

    hardware.check_device(plan.device)
    hardware.set_threads(plan.threads)
    quiet_libraries()
    checkpoints = plan.weights.checkpoints.values()
    offload = choose_offload(
        plan.run.offload,
        plan.device,
        [found.component_bytes(_precision(plan, found.role)) for found in checkpoints],
        plan.height * plan.width,
        plan.run.precision.decoder.bytes,
        free_bytes(plan.device),
    )
    return Pipelines(checkpoints, plan.device, offload)


def _precision(plan: Plan, role: str) -> int:
    """Bytes of a number in the weights of a role."""
    precision: Precision = getattr(plan.run.precision, role)
    return precision.bytes


def _finish(
    folder: RunFolder,
    tracking: TrackingObserver | None,
    status: str,
    seconds: float,
    output_dir: Path,
) -> bool:
    """False where the manifest could not be written; raises nothing that would hide an error."""
    with contextlib.suppress(StorageError):  # tried again below, and told there
        # Now already: should the run be killed while it waits for MLflow, the manifest is true.
        folder.save_manifest(status)
    if tracking:
        folder.mlflow_run_id = tracking.finish(status, folder.images, seconds, peak_process_bytes())
        if folder.mlflow_run_id is None:
            _say_kept(tracking, output_dir)
    try:
        folder.save_manifest(status)
    except StorageError as error:
        print(f"error: {error}", file=sys.stderr)
        return False
    return True


def _summary(plan: Plan, folder: RunFolder, seconds: float) -> None:
    run = plan.run
    reused = sum(image.reused for image in folder.images)
    from_store = f", {reused} of them from earlier runs" if reused else ""
    of_all = counted(len(plan.images), "image")
    print(f"{len(folder.images)} of {of_all} in {seconds:.1f} s{from_store}")
    print(f"  pictures  {path_here(folder.path)}/   (newest: {path_here(run.output_dir)}/latest)")
    if folder.failures:
        print(f"  failed    {counted(len(folder.failures), 'stage')}, see {MANIFEST} there")
    if folder.mlflow_run_id is None:
        return
    if run.tracking.uri is not None:
        print(f"  MLflow    run {folder.mlflow_run_id} at {without_credentials(run.tracking.uri)}")
    else:
        ui = _for_outputs("ui", run.output_dir)
        print(f"  MLflow    run {folder.mlflow_run_id}; open it with: {ui}")


def _say_kept(tracking: TrackingObserver, output_dir: Path) -> None:
    sync = _for_outputs("sync", output_dir)
    print(f"MLflow: the records are kept; deliver them with: {sync}", file=sys.stderr)
    if tracking.problem:
        print(f"  {shown(tracking.problem)}", file=sys.stderr)


def _for_outputs(verb: str, output_dir: Path) -> str:
    """The command of a verb that takes the output folder, left out where it is the default."""
    default = output_dir == Path("outputs").absolute()
    return command(verb) if default else command(verb, path_here(output_dir))


@contextmanager
def _signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    """SIGINT and SIGTERM go to the handler meanwhile; only a main thread may set that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in STOPPING}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _interrupt(number: int, _: FrameType | None) -> None:
    for stopping in STOPPING:  # a second one would only disturb the cleaning up
        signal.signal(stopping, signal.SIG_IGN)
    raise Interrupted(number)
