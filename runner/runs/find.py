"""Finds the record of a run: by its folder, by one of its pictures, or by its id."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import UnidentifiedImageError

from runner.errors import ConfigError
from runner.images.png import image_of_png, pixel_sha256, text_of_png
from runner.recording.manifest import MANIFEST, Manifest, SavedImage
from runner.recording.sweep_record import SWEEP
from runner.system.typed_json import FieldError


@dataclass(frozen=True)
class RunRecord:
    """A run as it was recorded, in its folder or in one of its pictures.

    Attributes:
        source: the manifest, or the picture.
        environment: see `provenance.describe`.
        images: those of the manifest, or the picture alone, which has no stage keys.
    """

    source: Path
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    images: Sequence[SavedImage]

    def file(self, image: SavedImage) -> Path | None:
        """Path of the picture; None where it is not found."""
        file = self.source.parent / image.file
        return file if file.is_file() else None


def find_record(named: str, output_dir: Path) -> RunRecord:
    """The record of a run: `named` is its manifest.json, its folder, one of its pictures, or its
    id (the runner's or MLflow's) in `output_dir`.

    Raises:
        ConfigError: it does not exist or cannot be read.
    """
    path = Path(named)
    if path.is_dir() and (path / MANIFEST).is_file():
        path = path / MANIFEST
    if path.is_file():
        return _of_picture(path) if path.suffix.lower() == ".png" else _of_manifest(path)
    unreadable = []
    for file in sorted(output_dir.glob(f"*/**/{MANIFEST}")):
        try:
            manifest = Manifest.read_file(file)
        except (OSError, ValueError):
            unreadable.append(str(file))  # perhaps of another run
            continue
        if named in (manifest.run_id, manifest.mlflow_run_id):
            return _of_manifest(file)
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
    try:
        manifest = Manifest.read_file(path)
    except FieldError as error:
        raise ConfigError("run", path, f"is no record of a run: {error.problem}") from error
    except (OSError, ValueError) as error:
        raise ConfigError("run", path, f"cannot be read: {error}") from error
    if not manifest.images:
        raise ConfigError("run", path, "has no pictures")
    return RunRecord(path, manifest.config, manifest.environment, manifest.images)


def _of_picture(path: Path) -> RunRecord:
    """The record of a picture alone: its own pixels are the ones to reproduce."""
    try:
        content = path.read_bytes()
        text = text_of_png(content)
        image = image_of_png(content)
        config, environment = (json.loads(text[name]) for name in ("config", "environment"))
        recorded = SavedImage(
            file=path.name,
            prompt=text["prompt"],
            seed=int(text["seed"]),
            height=image.height,
            width=image.width,
            sha256=pixel_sha256(image),
            stage_keys={},
            seconds=0.0,
            reused=False,
        )
    except (OSError, UnidentifiedImageError, AssertionError, ValueError) as error:
        raise ConfigError("run", path, f"cannot be read: {error}") from error
    except KeyError as error:
        raise ConfigError("run", path, f"does not say how it was made: no {error}") from error
    return RunRecord(path, config, environment, [recorded])
