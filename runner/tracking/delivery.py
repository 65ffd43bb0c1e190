"""Writes records to MLflow, each once. This module and `database` alone import mlflow."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.catalog.tracking import STORE, is_own_store, sqlite_path
from runner.errors import StoreGoneError, TrackingError
from runner.system.imports import import_without, pause_collection
from runner.tracking.artifacts import experiment_location, follow_artifacts
from runner.tracking.database import file_id, make_database
from runner.tracking.files import ArtifactFiles
from runner.tracking.pictures import CHARTED
from runner.tracking.spool import AXIS, Target
from runner.tracking.status import Status

RUN_ID_TAG = "runner.run_id"
MAX_PARAM = 6000
MAX_TAG = 8000
BATCH = 100
MOST_METRICS = 500
"""MLflow's own limits: longer values are cut, larger batches are refused."""

ATTEMPTS = 2
"""How often MLflow tries to connect to a database before it says why it cannot."""

FILES = ("file", "table", "picture")
TOGETHER = ("params", "tags", "metrics", *FILES)
MOST_TOGETHER, MOST_PICTURES = 100, 20
"""Records of a portion, and pictures among them, which may take a tenth of a second each: who waits
for the delivery sees how far it is after each portion.
"""

ENDING_TAGS = {"runner.ended", "runner.error", "runner.incomplete"}
"""Tags on how an earlier attempt at a run ended: removed when it begins again."""

EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Without this tag MLflow 3 opens its pages for language models, which have no table of runs."""


def prepare_environment() -> None:
    """Settings made before mlflow is imported: no telemetry, no git, timeouts of seconds."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")


def import_mlflow() -> None:
    """Import what a delivery calls. pandas, numpy and scipy, which it does not need, take a third
    of the time: they are left out as where only `mlflow-skinny` is installed.
    """

    def load() -> None:
        for module in ("store.db.utils", "tracking", "store.tracking.sqlalchemy_store"):
            importlib.import_module(f"mlflow.{module}")

    with pause_collection():
        import_without(("numpy", "pandas", "scipy"), load)


class Delivery:
    """Writes the records of a spool to MLflow.

    After a writer dies, records may be delivered a second time: every operation here is
    idempotent.

    Args:
        output_dir: files are delivered from this folder alone.
        runs: the runner's own id -> MLflow's id, of runs known to exist there.
        on_run: called when a run begins in MLflow, with the runner's own id and MLflow's.

    Attributes:
        doubtful: unknown runs may exist in MLflow all the same, so each is looked for.
    """

    def __init__(
        self,
        target: Target,
        output_dir: Path,
        runs: Mapping[str, str],
        on_run: Callable[[str, str], None],
        *,
        doubtful: bool,
    ) -> None:
        import_mlflow()
        from mlflow.store.db import utils
        from mlflow.tracking import MlflowClient

        # The writer tries again itself; MLflow would say nothing for 100 seconds.
        utils.MAX_RETRY_COUNT = ATTEMPTS
        self._target = target
        make_database(target)
        self._file_id = file_id(target)
        own_artifacts: Path | None = None
        if target.artifact_root is not None and is_own_store(target.uri, target.artifact_root):
            own_artifacts = Path(target.artifact_root)
            follow_artifacts(own_artifacts.with_name(STORE))
        self._client = MlflowClient(tracking_uri=target.uri)
        self._files = ArtifactFiles(self._client, output_dir, own_artifacts)
        self._runs = dict(runs)
        self._again: set[str] = set()
        self._missed: set[str] = set()
        self._experiments: dict[str, str] = {}
        self._on_run = on_run
        self.doubtful = doubtful

    def find(self, record: Mapping[str, Any]) -> bool:
        """Look for the run of a "run" record where it is unknown. Returns whether it exists."""
        own = record["run"]
        if own not in self._runs:
            found = self._client.search_runs(
                [self._experiment(record["experiment"])],
                f"tags.`{RUN_ID_TAG}` = '{own}'",
                max_results=1,
            )
            if not found:
                return False
            self._runs[own] = str(found[0].info.run_id)
            self._again.add(self._runs[own])
        return True

    def apply(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Deliver one portion of `together`, in as few calls to MLflow as possible.

        Raises:
            StoreGoneError: the sqlite file is not the one that was opened.
        """
        if self._file_id != file_id(self._target):
            raise StoreGoneError(
                f"{sqlite_path(self._target.uri)} was deleted or replaced meanwhile: the records "
                "of this command are delivered once more"
            )
        first = records[0]
        kind = first["kind"]
        if kind == "run":
            self._begin(first)
        elif kind == "known":
            if self.find(first):
                self._on_run(first["run"], self._runs[first["run"]])
            else:
                self._missed.add(first["run"])
        elif kind == "delete":
            if first["run"] in self._runs:  # in MLflow's sense: it can be restored there
                self._client.delete_run(self._runs[first["run"]])
        elif kind == "end":
            run = self._runs[first["run"]]
            self._client.set_terminated(run, first["status"], end_time=first["time_ms"])
        elif kind != "close" and (first["run"] in self._runs or first["run"] not in self._missed):
            # A run that was deleted in MLflow meanwhile takes no records.
            self._values(self._runs[first["run"]], records)
            for record in records:
                if record["kind"] in FILES:
                    self._files.put(self._runs[first["run"]], record)

    def forget_connections(self) -> None:
        """Have the next delivery of this process open the file that is there now."""
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        SqlAlchemyStore(self._target.uri, self._target.artifact_root or "").engine.dispose()

    def _begin(self, record: Mapping[str, Any]) -> None:
        """Create a run, or continue the one that an earlier attempt made."""
        own = record["run"]
        if (self.doubtful or record["again"]) and self.find(record):
            run = self._client.get_run(self._runs[own])
            self._again.add(self._runs[own])
            self._client.update_run(self._runs[own], status=Status.RUNNING)
            for tag in ENDING_TAGS & run.data.tags.keys():
                self._client.delete_tag(self._runs[own], tag)
        else:
            tags = {RUN_ID_TAG: own, "mlflow.source.name": "kandinsky-runner"}
            if record["parent"] is not None:
                tags["mlflow.parentRunId"] = self._runs[record["parent"]]
            created = self._client.create_run(
                self._experiment(record["experiment"]),
                start_time=record["time_ms"],
                tags=tags,
                run_name=record["name"],
            )
            self._runs[own] = str(created.info.run_id)
        self._on_run(own, self._runs[own])

    def _values(self, run: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Parameters, tags and metrics, as far as there are any."""
        from mlflow.entities import Metric, Param, RunTag

        params: dict[str, str] = {}
        tags: dict[str, object] = {}
        metrics = []
        chosen_by_none: set[str] = set()
        for record in records:
            params |= record.get("params", {})
            if record.get("if_missing"):
                chosen_by_none |= record["params"].keys()
            tags |= record.get("tags", {})
            metrics += [
                Metric(key, value, record["time_ms"], record["step"])
                for key, value in record.get("metrics", {}).items()
            ]
            if record["kind"] == "table":
                table = {"path": Path(record["path"]).name, "type": "table"}
                tags["mlflow.loggedArtifacts"] = json.dumps([table])
            elif record["kind"] == "picture":
                tags |= CHARTED
        if params and run in self._again:
            # A resumed run may find another device or number of threads; the first value stays.
            # Axes are those of all cells, written as each version of the runner shows them.
            data = self._client.get_run(run).data
            there = data.params
            changed = {
                key: value
                for key, value in params.items()
                if there.get(key, value[:MAX_PARAM]) != value[:MAX_PARAM]
                and key not in chosen_by_none
                and not key.startswith(AXIS)
            }
            params = {k: v for k, v in params.items() if k not in there}
            if changed:
                # Parameters that are settled later come in another batch.
                changed = json.loads(data.tags.get("runner.resumed_with", "{}")) | changed
                tags["runner.resumed_with"] = json.dumps(changed, ensure_ascii=False)
        entries = [Param(key, value[:MAX_PARAM]) for key, value in params.items()]
        named = [RunTag(name, str(value)[:MAX_TAG]) for name, value in tags.items()]
        while entries or named or metrics:
            self._client.log_batch(
                run, metrics=metrics[:MOST_METRICS], params=entries[:BATCH], tags=named[:BATCH]
            )
            metrics, entries, named = metrics[MOST_METRICS:], entries[BATCH:], named[BATCH:]

    def _experiment(self, name: str) -> str:
        if name not in self._experiments:
            self._experiments[name] = self._find_or_create_experiment(name)
        return self._experiments[name]

    def _find_or_create_experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            root = self._target.artifact_root
            artifacts = None if root is None else experiment_location(Path(root), name)
            try:
                return str(self._client.create_experiment(name, artifacts, EXPERIMENT_TAGS))
            except MlflowException:
                # Two runs may create it at the same moment; the second one finds it.
                experiment = self._client.get_experiment_by_name(name)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage != "active":
            raise TrackingError(
                f"the experiment {name!r} was deleted in MLflow: restore it there, or set "
                "tracking.experiment to another name"
            )
        return str(experiment.experiment_id)


def together(
    records: Iterable[tuple[Mapping[str, Any], int]],
) -> Iterator[tuple[list[Mapping[str, Any]], int]]:
    """Group records into portions to deliver at once, each with the offset of the byte after it.

    A portion belongs to one run; its begin and end records are portions by themselves.
    """
    some: list[Mapping[str, Any]] = []
    end = pictures = 0
    for record, offset in records:
        fits = record["kind"] in TOGETHER and some and some[0]["kind"] in TOGETHER
        fits = fits and pictures < MOST_PICTURES and len(some) < MOST_TOGETHER
        if some and not (fits and some[0]["run"] == record["run"]):
            yield some, end
            some, pictures = [], 0
        some.append(record)
        pictures += record["kind"] == "picture"
        end = offset
    if some:
        yield some, end
