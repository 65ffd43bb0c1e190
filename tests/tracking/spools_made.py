"""Spools made by hand, and the writer process that delivers one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from runner.tracking.spool import Spool, Target
from tracking.processes import MLflow

RUN = "20260101T000000-abcdef01"


def begin(
    spool: Spool,
    run: str = RUN,
    *,
    experiment: str = "by hand",
    parent: str | None = None,
    again: bool = False,
) -> None:
    spool.append(
        "run", run, name=run, experiment=experiment, parent=parent, again=again,
        time_ms=1_700_000_000_000,
    )  # fmt: skip


def filled(
    output_dir: Path,
    target: Target,
    run: str = RUN,
    *,
    end: str | None = "FINISHED",
    experiment: str = "by hand",
) -> Path:
    """A spool with a record of each kind, whose runner is gone."""
    spool = Spool(output_dir, run, target)
    begin(spool, run, experiment=experiment)
    spool.append("params", run, params={"a.b": "1", "long": "x" * 7000})
    spool.append("tags", run, tags={"colour": "red"})
    for step in range(3):
        metrics = {"seconds": step + 0.5}
        spool.append("metrics", run, metrics=metrics, time_ms=1_700_000_001_000 + step, step=step)
    text = spool.write_file(run, "note.txt", "a note")
    spool.append("file", run, path=str(text), folder="notes")
    table = spool.write_file(run, "images.json", json.dumps({"columns": ["seed"], "data": [[1]]}))
    spool.append("table", run, path=str(table))
    if end:
        spool.append("end", run, status=end, time_ms=1_700_000_009_000)
        spool.append("close")
    spool.close()
    return spool.path


def start_writer(spool: Path, output_dir: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "runner.tracking.writer", str(spool), str(output_dir)],
        stdin=subprocess.PIPE,
    )


def check_whole(mlflow: MLflow, run: Any) -> None:
    assert run.info.status == "FINISHED"
    assert (run.info.start_time, run.info.end_time) == (1_700_000_000_000, 1_700_000_009_000)
    assert run.data.params == {"a.b": "1", "long": "x" * 6000}
    assert run.data.tags["colour"] == "red"
    assert mlflow.values(run, "seconds") == [0.5, 1.5, 2.5]
    assert mlflow.artifacts(run) == {"notes", "images.json"}
    assert mlflow.artifacts(run, "notes") == {"notes/note.txt"}
