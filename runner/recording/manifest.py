"""manifest.json: what a run's folder says of what was made in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.images.png import whole_picture
from runner.system.files import write_whole

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1

PENDING, RUNNING, FINISHED, FAILED, KILLED = "PENDING", "RUNNING", "FINISHED", "FAILED", "KILLED"


@dataclass(frozen=True)
class SavedImage:
    """One image of a run, as in its manifest.

    Attributes:
        sha256: of the pixels, see `images.png.pixel_sha256`.
        stage_keys: input's name ("decode" for the last stage) -> key of the nodes that made it.
        seconds: of those nodes, as far as they ran now.
        reused: whether the picture came from the store.
        took: input's name -> what that node took when it was made, now or earlier.
        repeats: the same with `bench=true`, each time that it was measured; `took` has the median.
        steps: of the decoder.
        peak_device_mb: the most that one of those nodes took of an accelerator, if it ran now.
        inputs: input's name -> file of the picture that it was made from, as the model saw it; of
            a stored image as far as the store has these still.
        scores: what the metrics measured, by name.
    """

    file: str
    prompt: str
    negative_prompt: str | None
    seed: int
    height: int
    width: int
    sha256: str
    stage_keys: dict[str, str]
    seconds: float
    reused: bool
    took: dict[str, float]
    repeats: dict[str, list[float]]
    steps: int
    peak_device_mb: float | None
    inputs: dict[str, str]
    scores: dict[str, float] = field(default_factory=dict)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run's folder."""
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def cell_status(folder: Path) -> str:
    """Of a cell's folder, by its manifest alone; RUNNING also where its process was killed."""
    try:
        return str(read_manifest(folder)["status"])
    except (OSError, ValueError, KeyError):
        return PENDING


def has_whole_pictures(folder: Path) -> bool:
    try:
        return all(
            whole_picture(folder / image["file"], image["sha256"]) is not None
            for image in read_manifest(folder)["images"]
        )
    except (OSError, ValueError, KeyError):
        return False


def lacks_mlflow_run(folder: Path) -> bool:
    """Whether a cell was recorded without the id of its MLflow run."""
    try:
        return read_manifest(folder)["mlflow_run_id"] is None
    except (OSError, ValueError, KeyError):
        return False


def note_mlflow_run(folder: Path, mlflow_run_id: str) -> None:
    """Put the id of a cell's MLflow run into its manifest, once it is known."""
    content = {**read_manifest(folder), "mlflow_run_id": mlflow_run_id}
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / MANIFEST, text.encode())
