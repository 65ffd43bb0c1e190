"""The engine's events and the run's facts -> records of a spool."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.environment import describe
from runner.errors import RunnerError
from runner.events import Loaded, NodeResult, Observer
from runner.graph import Node
from runner.outputs import SavedImage
from runner.plan import Plan
from runner.tracking.spool import Spool, Target, read_delivered, remove

FINAL_WAIT_SECONDS = 15.0
"""How long a finished run waits for its records to be delivered, before it leaves that to later."""

TABLE = "images.json"


class TrackingObserver(Observer):
    """Keeps a run's records in a spool and has a writer process deliver them.

    Args:
        writer: the writer process, already at work on the spool.
    """

    def __init__(self, spool: Spool, writer: subprocess.Popen[bytes]) -> None:
        self._spool = spool
        self._writer = writer
        self._stage_seconds: defaultdict[str, list[float]] = defaultdict(list)
        self._load_seconds = 0.0
        self._reused = 0
        self._peak_device_bytes = 0
        self._loaded: list[dict[str, Any]] = []

    def describe(self, plan: Plan) -> None:
        """Everything that is known before the first stage runs."""
        environment = describe(plan)
        self._spool.append("params", params=params_of(plan, environment))
        tags = {"mlflow.note.content": _note(plan)}
        if environment["git_commit"]:
            tags["mlflow.source.git.commit"] = environment["git_commit"].removesuffix("+changes")
        self._spool.append("tags", tags=tags)
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
        self._metrics(metrics, step=len(self._stage_seconds[stage]) - 1)

    def image_saved(self, path: Path, image: SavedImage) -> None:
        """The file of an image is whole."""
        self._spool.append("file", path=str(path), folder="images")

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self._spool.append("tags", tags={"runner.error": str(error)})

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
        self._spool.append("end", status=status, time_ms=_now_ms())
        return self._wait()

    def _wait(self) -> str | None:
        deadline = time.monotonic() + FINAL_WAIT_SECONDS
        while not read_delivered(self._spool.path).ended:
            if self._writer.poll() is not None or time.monotonic() > deadline:
                break
            time.sleep(0.01)
        done = read_delivered(self._spool.path)
        if done.ended:
            remove(self._spool.path)
        self._spool.close()
        return done.mlflow_run_id if done.ended else None

    def _metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self._spool.append("metrics", metrics=dict(metrics), time_ms=_now_ms(), step=step)

    def _text(self, name: str, text: str) -> None:
        path = self._spool.write_file(name, text if text.endswith("\n") else f"{text}\n")
        self._spool.append("file", path=str(path), folder=None)

    def _table(self, images: list[SavedImage]) -> None:
        columns = ["file", "prompt", "negative_prompt", "seed", "sha256", "seconds", "reused"]
        content = {
            "columns": columns,
            "data": [[getattr(image, column) for column in columns] for image in images],
        }
        path = self._spool.write_file(TABLE, json.dumps(content, ensure_ascii=False))
        self._spool.append("table", path=str(path))


def start_tracking(plan: Plan, run_id: str) -> TrackingObserver:
    """Open a spool for a run and start its writer process."""
    run = plan.run
    uri = run.tracking.uri
    target = Target(
        uri=uri or f"sqlite:///{run.output_dir / 'mlflow.db'}",
        artifact_root=str(run.output_dir / "mlartifacts") if uri is None else None,
        experiment=run.tracking.experiment or run.name,
        run_id=run_id,
        run_name=f"{run.name}-{run_id[-8:]}",
        started_ms=_now_ms(),
    )
    spool = Spool(run.output_dir, target)
    with (spool.path / "writer.log").open("wb") as log:
        writer = subprocess.Popen(
            [sys.executable, "-m", "runner.tracking.writer", str(spool.path), str(run.output_dir)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return TrackingObserver(spool, writer)


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
        params[f"weights.{role}.revision"] = str(found["revision"])
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
    command = " ".join(["kandinsky", "run", *run.overrides])
    question = f"{run.question}\n\n" if run.question else ""
    return f"{question}{len(plan.images)} images, Kandinsky {run.version.value}\n\n    {command}\n"


def _now_ms() -> int:
    return int(time.time() * 1000)
