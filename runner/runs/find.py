"""What was written down of a run, read back: from its folder, from a picture, by its id."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import UnidentifiedImageError

from runner.errors import ConfigError
from runner.images.png import image_of_png, pixel_sha256, text_of_png
from runner.recording.manifest import MANIFEST
from runner.recording.sweep_record import SWEEP


@dataclass(frozen=True)
class RecordedImage:
    """A picture as it was recorded.

    Attributes:
        stage_keys: of the nodes that made it; empty where the record has none.
        file: where the picture itself is; None: not to be found.
    """

    prompt: str
    seed: int
    sha256: str
    stage_keys: Mapping[str, str]
    file: Path | None


@dataclass(frozen=True)
class RunRecord:
    """A run as it was recorded; `environment` is as of `environment.describe`."""

    source: Path
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    images: Sequence[RecordedImage]


def find_record(named: str, output_dir: Path) -> RunRecord:
    """The record of a run: `named` is its manifest.json, its folder, one of its pictures, or its
    id (the runner's or MLflow's) in `output_dir`.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    path = Path(named)
    if path.is_dir() and (path / MANIFEST).is_file():
        path = path / MANIFEST
    if path.is_file():
        return _of_picture(path) if path.suffix.lower() == ".png" else _of_manifest(path)
    unreadable = []
    for manifest in sorted(output_dir.glob(f"*/**/{MANIFEST}")):
        try:
            content = _read(manifest)
        except ConfigError:
            unreadable.append(str(manifest))  # of another run, perhaps
            continue
        if named in (content.get("run_id"), content.get("mlflow_run_id")):
            return _of_manifest(manifest)
    if (path / SWEEP).is_file():
        cells = sorted(str(cell.parent) for cell in path.glob(f"*/{MANIFEST}"))
        raise ConfigError("run", named, "is a sweep: its runs are reproduced one by one", cells)
    problem = f"is no file, and no run in {output_dir}"
    if unreadable:
        problem += f" (these cannot be read: {', '.join(unreadable)})"
    raise ConfigError(
        "run", named, problem,
        "a manifest.json, a run's folder, a picture of a run, the id of a run",
    )  # fmt: skip


def _of_manifest(path: Path) -> RunRecord:
    content = _read(path)
    try:
        images = [
            RecordedImage(
                image["prompt"],
                image["seed"],
                image["sha256"],
                image["stage_keys"],
                path.parent / image["file"] if (path.parent / image["file"]).is_file() else None,
            )
            for image in content["images"]
        ]
        record = RunRecord(path, content["config"], content["environment"], images)
    except (KeyError, TypeError) as error:
        raise ConfigError("run", path, f"is no record of a run: {error} is missing") from error
    if not images:
        raise ConfigError("run", path, "has no pictures")
    return record


def _of_picture(path: Path) -> RunRecord:
    """A picture alone: its own pixels are what is to come out again."""
    try:
        content = path.read_bytes()
        text = text_of_png(content)
        image = image_of_png(content)
        config, environment = (json.loads(text[name]) for name in ("config", "environment"))
        recorded = RecordedImage(text["prompt"], int(text["seed"]), pixel_sha256(image), {}, path)
    except (OSError, UnidentifiedImageError, AssertionError, ValueError) as error:
        raise ConfigError("run", path, f"cannot be read: {error}") from error
    except KeyError as error:
        raise ConfigError("run", path, f"does not say how it was made: no {error}") from error
    return RunRecord(path, config, environment, [recorded])


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError("run", path, f"cannot be read: {error}") from error
    return content if isinstance(content, dict) else {}
