"""The engine's events and the run's facts -> records of a spool."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import runner
from runner.environment import describe
from runner.errors import RunnerError, TrackingError
from runner.events import Loaded, NodeResult, Observer
from runner.graph import Node
from runner.messages import counted
from runner.outputs import SavedImage
from runner.planning import Plan
from runner.tracking.delivery import SQLITE, sqlite_path
from runner.tracking.spool import Spool, Target, read_delivered, read_problem, remove

FINAL_WAIT_SECONDS = 15.0
"""How long a finished run waits for its records to be delivered, before it leaves that to later."""

TABLE = "images.json"

SERVERS = ("http", "https", "databricks")
"""Kinds of address whose server decides itself where artifacts go."""


class TrackingObserver(Observer):
    """Keeps a run's records in a spool and has a writer process deliver them.

    A record that the disk does not take costs no image: it is missing, and that is said once.

    Args:
        writer: the writer process, already at work on the spool.

    Attributes:
        problem: after `finish`, why the records were not delivered, where that is known.
    """

    def __init__(self, spool: Spool, writer: subprocess.Popen[bytes]) -> None:
        self._spool = spool
        self._writer = writer
        self._stage_seconds: defaultdict[str, list[float]] = defaultdict(list)
        self._load_seconds = 0.0
        self._reused = 0
        self._peak_device_bytes = 0
        self._loaded: list[dict[str, Any]] = []
        self._relieved: list[str] = []
        self._lost: TrackingError | None = None
        self.problem: str | None = None

    def describe(self, plan: Plan) -> None:
        """Everything that is known before the first stage runs."""
        environment = describe(plan)
        self._append("params", params=params_of(plan, environment))
        tags = {"mlflow.note.content": _note(plan)}
        if environment["git_commit"]:
            tags["mlflow.source.git.commit"] = environment["git_commit"].removesuffix("+changes")
        self._append("tags", tags=tags)
        self._text("config.json", json.dumps(plan.run.composed, indent=1, ensure_ascii=False))
        self._text("overrides.txt", "".join(f"{o}\n" for o in plan.run.overrides))
        self._text("environment.json", json.dumps(environment, indent=1, ensure_ascii=False))
        self._text("graph.mmd", plan.graph.as_mermaid())
        records = plan.graph.as_records()
        self._text("graph.json", json.dumps(records, indent=1, ensure_ascii=False))

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self._load_seconds += loaded.seconds
        self._loaded.append({"seconds": loaded.seconds, **loaded.readback})

    def node_finished(self, result: NodeResult) -> None:
        if result.reused:
            self._reused += 1
            return
        stage = result.node.stage
        self._stage_seconds[stage].append(result.seconds)
        if result.peak_memory_bytes is not None:
            self._peak_device_bytes = max(self._peak_device_bytes, result.peak_memory_bytes)
        metrics = {f"seconds_{stage}": result.seconds}
        if result.first_call:
            # It pays for what is compiled and warmed up: apart from the calls after it.
            metrics[f"seconds_{stage}_first_call"] = result.seconds
        if result.peak_memory_bytes is not None:
            metrics[f"peak_device_mb_{stage}"] = result.peak_memory_bytes / 2**20
        self._metrics(metrics, step=len(self._stage_seconds[stage]) - 1)

    def image_saved(self, path: Path, image: SavedImage) -> None:
        """The file of an image is whole."""
        self._append("file", path=str(path), folder="images")

    def memory_relieved(self, node: Node, how: str) -> None:
        self._relieved.append(f"{node.stage} ({node.label}): {how}")
        self._append("tags", tags={"runner.memory_relieved": "\n".join(self._relieved)})

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self.failed(error)

    def failed(self, error: RunnerError) -> None:
        """Why the run, or a part of it, failed."""
        self._append("tags", tags={"runner.error": str(error)})

    def finish(
        self, status: str, images: list[SavedImage], seconds: float, peak_process_bytes: int | None
    ) -> str | None:
        """The run's last records; then waits a little for the writer.

        Returns:
            the MLflow run's id, or None where it is not delivered yet.
        """
        totals: dict[str, float] = {
            "images": len(images),
            "stages_run": sum(map(len, self._stage_seconds.values())),
            "stages_reused": self._reused,
            "seconds_total": seconds,
            "seconds_loading": self._load_seconds,
        }
        for stage, values in self._stage_seconds.items():
            totals[f"seconds_{stage}_sum"] = sum(values)
        if peak_process_bytes is not None:
            totals["peak_process_mb"] = peak_process_bytes / 2**20
        if self._peak_device_bytes:
            totals["peak_device_mb"] = self._peak_device_bytes / 2**20
        self._metrics(totals, step=0)
        self._text("pipelines.json", json.dumps(self._loaded, indent=1, ensure_ascii=False))
        self._table(images)
        if self._lost is not None:
            self._append("tags", tags={"runner.incomplete": str(self._lost)})
        try:
            self._spool.append("end", status=status, time_ms=_now_ms())
        except TrackingError as error:
            self.problem = str(error)
        else:
            self._wait()
        return self._close()

    def _wait(self) -> None:
        deadline = time.monotonic() + FINAL_WAIT_SECONDS
        while not read_delivered(self._spool.path).ended:
            if self._writer.poll() is not None or time.monotonic() > deadline:
                return
            time.sleep(0.01)

    def _close(self) -> str | None:
        done = read_delivered(self._spool.path)
        if done.ended:
            remove(self._spool.path)
        else:
            self.problem = self.problem or read_problem(self._spool.path)
        self._spool.close()
        # The writer sees it, tries a last time and ends; a multirun goes on without it.
        assert self._writer.stdin is not None
        self._writer.stdin.close()
        return done.mlflow_run_id if done.ended else None

    def _append(self, kind: str, **content: Any) -> None:
        with self._telling():
            self._spool.append(kind, **content)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except TrackingError as error:
            if self._lost is None:
                print(f"warning: {error}; the run goes on", file=sys.stderr)
            self._lost = error

    def _metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self._append("metrics", metrics=dict(metrics), time_ms=_now_ms(), step=step)

    def _text(self, name: str, text: str) -> None:
        with self._telling():
            path = self._spool.write_file(name, text if text.endswith("\n") else f"{text}\n")
            self._spool.append("file", path=str(path), folder=None)

    def _table(self, images: list[SavedImage]) -> None:
        columns = ["file", "prompt", "negative_prompt", "seed", "sha256", "seconds", "reused"]
        content = {
            "columns": columns,
            "data": [[getattr(image, column) for column in columns] for image in images],
        }
        with self._telling():
            path = self._spool.write_file(TABLE, json.dumps(content, ensure_ascii=False))
            self._spool.append("table", path=str(path))


def start_tracking(plan: Plan, run_id: str) -> TrackingObserver:
    """Open a spool for a run and start its writer process."""
    run = plan.run
    uri = run.tracking.uri
    target = Target(
        uri=_absolute(uri) if uri else f"{SQLITE}{run.output_dir / 'mlflow.db'}",
        artifact_root=None if _is_server(uri) else str(run.output_dir / "mlartifacts"),
        experiment=run.tracking.experiment or run.name,
        run_id=run_id,
        run_name=f"{run.name}-{run_id[-8:]}",
        started_ms=_now_ms(),
    )
    spool = Spool(run.output_dir, target)
    try:
        return TrackingObserver(spool, _start_writer(spool.path, run.output_dir))
    except OSError as error:
        spool.close()
        remove(spool.path)
        raise TrackingError(f"cannot start the writer process: {error.strerror}") from error


def _start_writer(spool: Path, output_dir: Path) -> subprocess.Popen[bytes]:
    # -P: nothing in the user's working directory is taken for a module, but ours is to be found.
    paths = [str(Path(runner.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    with (spool / "writer.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "runner.tracking.writer", str(spool), str(output_dir)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )


def _absolute(uri: str) -> str:
    """A sqlite file named relative to this working directory, for a `sync` from any other."""
    path = sqlite_path(uri)
    if path is None or path.is_absolute():
        return uri
    return uri.replace(SQLITE, f"{SQLITE}{Path.cwd()}/", 1)


def _is_server(uri: str | None) -> bool:
    return uri is not None and urlsplit(uri).scheme in SERVERS


def params_of(plan: Plan, environment: Mapping[str, Any]) -> dict[str, str]:
    """The config flattened to dotted keys, with what the plan settled in place of `null`."""
    params = flattened(plan.run.composed)
    params.update(
        height=str(plan.height),
        width=str(plan.width),
        device=plan.device,
        threads=str(plan.threads),
    )
    for role, found in environment["weights"].items():
        params[f"weights.{role}.sha256"] = str(found["sha256"])
        params[f"weights.{role}.revision"] = found["revision"] or "null"
    return params


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """{"a": {"b": 1}} -> {"a.b": "1"}; lists and null as JSON."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flattened(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = (
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            )
    return flat


def _note(plan: Plan) -> str:
    run = plan.run
    images = counted(len(plan.images), "image")
    command = shlex.join(["kandinsky", "run", *run.overrides])
    question = f"{run.question}\n\n" if run.question else ""
    return f"{question}{images}, Kandinsky {run.version.value}\n\n    {command}\n"


def _now_ms() -> int:
    return int(time.time() * 1000)
