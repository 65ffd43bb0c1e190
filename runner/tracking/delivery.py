"""Records -> MLflow, each once. The only module that imports mlflow."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.errors import TrackingError
from runner.tracking.spool import Target

RUN_ID_TAG = "runner.run_id"
MAX_PARAM = 6000
MAX_TAG = 8000
BATCH = 100
"""MLflow's own limits: longer values are cut, larger batches refused."""

SQLITE = "sqlite:///"

EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Without it MLflow 3 opens the pages for language models, which show no table of runs."""


def prepare_environment() -> None:
    """Before mlflow is imported: no telemetry, no git, and a lost server is noticed in seconds."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")


class Delivery:
    """Writes the records of one run to MLflow.

    What was written before a writer died is written again after it: every operation here gives
    the same result the second time.
    """

    def __init__(self, target: Target, mlflow_run_id: str | None = None) -> None:
        from mlflow.tracking import MlflowClient

        self._target = target
        _make_database(target)
        self._client = MlflowClient(tracking_uri=target.uri)
        self.mlflow_run_id = mlflow_run_id or self._find_or_create_run()

    def apply(self, record: Mapping[str, Any]) -> None:
        """Deliver one record."""
        kind = record["kind"]
        if kind == "params":
            self._params(record["params"])
        elif kind == "tags":
            for name, value in record["tags"].items():
                self._client.set_tag(self.mlflow_run_id, name, str(value)[:MAX_TAG])
        elif kind == "metrics":
            self._metrics(record["metrics"], record["time_ms"], record["step"])
        elif kind == "file":
            self._file(Path(record["path"]), record["folder"])
        elif kind == "table":
            self._client.set_tag(
                self.mlflow_run_id,
                "mlflow.loggedArtifacts",
                json.dumps([{"path": Path(record["path"]).name, "type": "table"}]),
            )
            self._file(Path(record["path"]), None)
        elif kind == "end":
            self.end(record["status"], record["time_ms"])
        else:
            raise AssertionError(f"unknown record {kind!r}")

    def end(self, status: str, time_ms: int | None = None) -> None:
        """Set the final status: FINISHED, FAILED or KILLED."""
        self._client.set_terminated(self.mlflow_run_id, status, end_time=time_ms)

    def _params(self, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        entries = [Param(key, value[:MAX_PARAM]) for key, value in params.items()]
        for start in range(0, len(entries), BATCH):
            self._client.log_batch(self.mlflow_run_id, params=entries[start : start + BATCH])

    def _metrics(self, metrics: Mapping[str, float], time_ms: int, step: int) -> None:
        from mlflow.entities import Metric

        entries = [Metric(key, value, time_ms, step) for key, value in metrics.items()]
        self._client.log_batch(self.mlflow_run_id, metrics=entries)

    def _file(self, path: Path, folder: str | None) -> None:
        if path.is_file():
            self._client.log_artifact(self.mlflow_run_id, str(path), folder)
        else:
            # Deleted since, by the user: no reason to keep back what comes after it.
            self._client.set_tag(self.mlflow_run_id, "runner.missing_file", path.name)

    def _find_or_create_run(self) -> str:
        experiment_id = self._experiment()
        found = self._client.search_runs(
            [experiment_id], f"tags.`{RUN_ID_TAG}` = '{self._target.run_id}'", max_results=1
        )
        if found:
            return str(found[0].info.run_id)
        tags = {RUN_ID_TAG: self._target.run_id, "mlflow.source.name": "kandinsky-runner"}
        run = self._client.create_run(
            experiment_id,
            start_time=self._target.started_ms,
            tags=tags,
            run_name=self._target.run_name,
        )
        return str(run.info.run_id)

    def _experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        name = self._target.experiment
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            artifacts = _artifacts(self._target, name)
            try:
                return str(self._client.create_experiment(name, artifacts, EXPERIMENT_TAGS))
            except MlflowException:
                # Two runs may make it at the same moment; the one that comes second finds it.
                experiment = self._client.get_experiment_by_name(name)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage != "active":
            raise TrackingError(
                f"the experiment {name!r} was deleted in MLflow: restore it there, or set "
                "tracking.experiment to another name"
            )
        return str(experiment.experiment_id)


def sqlite_path(uri: str) -> Path | None:
    """The file of a sqlite store; None for any other."""
    if not uri.startswith(SQLITE):
        return None
    return Path(uri.removeprefix(SQLITE).partition("?")[0])


def _make_database(target: Target) -> None:
    """A sqlite store that is not there yet is made under another name, then put into its place.

    A process that dies within MLflow's migrations leaves a file that MLflow never opens again,
    and of processes that open a fresh file at once all but one fail in them.
    """
    path = sqlite_path(target.uri)
    if path is None or path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        artifacts = target.artifact_root or str(path.parent / "mlartifacts")
        SqlAlchemyStore(f"{SQLITE}{fresh}", artifacts).engine.dispose()
        _put_in_place(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _put_in_place(fresh: Path, path: Path) -> None:
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass  # another process was first, and may be writing to it already
    except OSError:
        fresh.replace(path)  # no links on this file system


def _artifacts(target: Target, experiment: str) -> str | None:
    if target.artifact_root is None:
        return None
    # An experiment may have any name, also one that leads out of the folder.
    folder = re.sub(r"[^\w.-]+", "-", experiment).strip(".-") or "experiment"
    return (Path(target.artifact_root) / folder).as_uri()
