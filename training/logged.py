"""A part's training as a run of MLflow, in the store that the project's own runs are in."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from training.loop import Budget, Run

EXPERIMENT = "mini-training"
STORE = Path("outputs")


def log_run(run: Run, budget: Budget, seed: int, folder: Path, uri: str | None) -> str:
    """Write budget, seed, losses over the steps, and the curve in `folder`.

    Args:
        uri: of a tracking server or store; None: the sqlite file below `outputs/`.

    Returns:
        the run's id.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    root = None
    if uri is None:
        STORE.mkdir(exist_ok=True)
        uri = f"sqlite:///{(STORE / 'mlflow.db').absolute()}"
        root = (STORE / "mlartifacts" / EXPERIMENT).absolute().as_uri()
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    identity = (
        experiment.experiment_id
        if experiment is not None
        else client.create_experiment(EXPERIMENT, artifact_location=root)
    )
    logged: str = client.create_run(identity, run_name=run.name).info.run_id
    for key, value in {**asdict(budget), "seed": seed, "seconds": round(run.seconds)}.items():
        client.log_param(logged, key, value)
    now = int(run.seconds * 1000)
    metrics = [
        Metric(key, value, now, int(row["step"]))
        for row in run.history
        for key, value in row.items()
        if key != "step"
    ]
    for start in range(0, len(metrics), 500):
        client.log_batch(logged, metrics[start : start + 500])
    curve = folder / "loss.png"
    if curve.exists():
        client.log_artifact(logged, str(curve))
    client.set_terminated(logged, "FINISHED")
    return logged
