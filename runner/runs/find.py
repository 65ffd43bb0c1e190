"""Finds the record of a run: by its folder, by one of its pictures, or by its id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.errors import ConfigError
from runner.images.png import (
    DamagedPictureError,
    image_of_png,
    pixel_sha256,
    read_png_file,
    text_of_png,
)
from runner.recording.manifest import MANIFEST, Manifest, SavedImage
from runner.recording.recorded import check_recorded
from runner.recording.sweep_record import SWEEP
from runner.system.typed_json import FieldError, read_as
from runner.system.untrusted import FileName, UntrustedError, parse_json, path_below
from runner.tracking.pictures import IMAGES

JSON_TEXTS = ("seed", "config", "environment", "inputs")
"""Text entries of a picture that are JSON; pictures of earlier versions lack the last."""


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
        """Path of the picture; None where it is not found. Raises ConfigError: it is elsewhere."""
        try:
            file = path_below(self.source.parent, image.file)
        except UntrustedError as error:
            problem = f"the picture {image.file!r} {error}"
            raise ConfigError("run", self.source, problem) from error
        return file if file.is_file() else None

    def kept(self, image: SavedImage, name: str) -> Path | None:
        """Path of an input picture; None where it was not kept or is not found. Raises ConfigError:
        it is elsewhere.
        """
        asked = image.inputs.get(name)
        if asked is None:
            return None
        folder = self.source.parent
        # Among the artifacts of an MLflow run, pictures and input pictures are folders.
        bases = (folder, folder.parent) if folder.name == IMAGES else (folder,)
        for base in bases:
            try:
                file = path_below(base, asked)
            except UntrustedError as error:
                problem = f"the picture {asked!r} {error}"
                raise ConfigError("run", self.source, problem) from error
            if file.is_file():
                return file
        return None


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
        return _of_picture(path) if _is_picture(path) else _of_manifest(path)
    unreadable = []
    for file in sorted(output_dir.glob(f"*/**/{MANIFEST}")):
        try:
            manifest = Manifest.read_file(file)
        except (OSError, FieldError):
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


def _is_picture(path: Path) -> bool:
    """Whether it is a PNG. Raises ConfigError for pictures of other kinds: they hold no record."""
    kind = path.suffix.lower()
    if kind in (".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"):
        problem = "holds no record of how it was made, as the runner's own PNG files do"
        raise ConfigError(
            "run", path, problem, "the PNG that it was made from, or the run's folder"
        )
    return kind == ".png"


def _of_manifest(path: Path) -> RunRecord:
    try:
        manifest = Manifest.read_file(path)
    except FieldError as error:
        raise ConfigError("run", path, f"is no record of a run: {error.problem}") from error
    except OSError as error:
        raise ConfigError("run", path, f"cannot be read: {error}") from error
    if not manifest.images:
        raise ConfigError("run", path, "has no pictures")
    return RunRecord(path, manifest.config, manifest.environment, manifest.images)


def _of_picture(path: Path) -> RunRecord:
    """The record of a picture alone: its own pixels are the ones to reproduce."""
    try:
        content = read_png_file(path)
        text = text_of_png(content)
        image = image_of_png(content)
    except DamagedPictureError as error:
        raise ConfigError("run", path, str(error)) from error
    for name in ("prompt", "seed", "config", "environment"):
        if name not in text:
            problem = f"does not say how it was made: it has no text {name!r}"
            raise ConfigError("run", path, problem)
    try:
        said = {name: parse_json(text[name].encode()) for name in JSON_TEXTS if name in text}
        found = read_as(_PictureText, said)
        check_recorded(found.config, found.environment, path)
    except (FieldError, UntrustedError, UnicodeEncodeError) as error:
        raise ConfigError("run", path, f"does not say how it was made: {error}") from error
    recorded = SavedImage(
        file=path.name,
        prompt=text["prompt"],
        seed=found.seed,
        height=image.height,
        width=image.width,
        sha256=pixel_sha256(image),
        stage_keys={},
        seconds=0.0,
        reused=False,
        inputs={name: one.file for name, one in found.inputs.items()},
        inputs_sha256={name: one.sha256 for name, one in found.inputs.items()},
    )
    if not recorded.inputs:
        recorded = replace(recorded, inputs=_inputs_beside(path, recorded.sha256))
    return RunRecord(path, found.config, found.environment, [recorded])


def _inputs_beside(path: Path, sha256: str) -> Mapping[str, str]:
    """The input pictures by the manifest beside: pictures of earlier versions do not name them."""
    manifest = Manifest.read_if_whole(path.parent)
    images = () if manifest is None else manifest.images
    return next((image.inputs for image in images if image.sha256 == sha256), {})


@dataclass(frozen=True)
class _KeptInput:
    """An input picture that a picture's text names."""

    file: FileName
    sha256: str


@dataclass(frozen=True)
class _PictureText:
    """The text entries of a picture that are JSON."""

    seed: int
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    inputs: Mapping[str, _KeptInput] = field(default_factory=dict)
