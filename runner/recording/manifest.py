"""manifest.json: the record in a run's folder of its images, failures, config and environment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.recording.recorded import check_recorded
from runner.system.files import write_whole
from runner.system.typed_json import FieldError, read_as, read_json
from runner.system.untrusted import (
    FileName,
    Finite,
    Identifier,
    PlainName,
    UntrustedError,
    path_below,
)
from runner.tracking.status import Status

if TYPE_CHECKING:
    from runner.planning.cut_texts import CutText

MANIFEST = "manifest.json"
VERSION = 1


INSTANT = {"image", "mask", "hint"}
"""Inputs whose reading does not count towards an image's seconds."""


@dataclass(frozen=True, kw_only=True)
class SavedTiming:
    """What else went on while an image's stages ran.

    Attributes:
        attempt: the run, or the attempt at a sweep, that recorded the image.
        workers: how many ran stages beside each other.
        stored: names of stages that were taken from the store, so ran at another time.
        first_calls: names of stages that were their pipeline's first call, which warms up.
    """

    attempt: str
    workers: int
    stored: Sequence[str]
    first_calls: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class SavedImage:
    """One image of a run, as in its manifest.

    Fields with defaults may be missing: earlier versions of the runner did not write them.

    Attributes:
        file: its PNG, in the run's folder.
        sha256: of the pixels, see `images.png.pixel_sha256`.
        stage_keys: input's name ("decode" for the last stage) -> key of the node that made it.
        seconds: of those nodes that ran now.
        reused: whether the picture came from the store.
        took: input's name -> seconds of that node when it ran, now or earlier.
        timing: how they were timed; None: not recorded.
        repeats: with `bench=true` input's name -> seconds of each repeat; `took` has the median.
        joules: with `bench=true`, where the device tells its energy: input's name -> joules of a
            repeat. Not in the file where there are none.
        together: input's name -> how many were made in one call, where there were several; `took`
            has its share. Not in the file where there are none.
        steps: of the decoder; 0: not recorded.
        peak_device_mb: largest peak of accelerator memory (MiB) of those nodes that ran now.
        weights_mb: memory (MiB) of the weights of all models that made it, as read back from them,
            now or when they ran. Not in the file where it is not known.
        inputs: input's name -> file of the input picture, as the model saw it; for a stored
            image only those that the store still has.
        inputs_sha256: of their pixels.
        scores: its metrics, by name.
        corrected: names of the faults of diffusers that were corrected (`catalog.version.Fault`).
        left_as_in_diffusers: names of those that acted, with `corrections=off`.
    """

    file: PlainName
    prompt: str
    negative_prompt: str | None = None
    seed: int
    height: int
    width: int
    sha256: str
    stage_keys: Mapping[str, str]
    seconds: Finite
    reused: bool
    took: Mapping[str, Finite] = field(default_factory=dict)
    timing: SavedTiming | None = None
    repeats: Mapping[str, Sequence[Finite]] = field(default_factory=dict)
    joules: Mapping[str, Finite] = field(default_factory=dict)
    together: Mapping[str, int] = field(default_factory=dict)
    steps: int = 0
    peak_device_mb: Finite | None = None
    weights_mb: Finite | None = None
    inputs: Mapping[str, FileName] = field(default_factory=dict)
    inputs_sha256: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    corrected: Sequence[str] = field(default_factory=list)
    left_as_in_diffusers: Sequence[str] = field(default_factory=list)

    @property
    def number(self) -> int:
        """The number that its file's name begins with; -1: it has none."""
        first = self.file.partition("_")[0]
        return int(first) if first.isascii() and first.isdecimal() else -1

    @property
    def seconds_measured(self) -> float | None:
        """Seconds of all its stages, where they tell how long it takes: each ran in this attempt,
        with nothing of the runner beside it, and not as its pipeline's first call; or with
        `bench=true`. None elsewhere.
        """
        timing, took = self.timing, self.took
        if not took or not set(self.stage_keys) <= set(took) | INSTANT:
            return None
        if not self.repeats and (
            timing is None
            or timing.workers > 1
            or set(timing.stored) - INSTANT
            or timing.first_calls
        ):
            return None
        return sum(took.values())

    @property
    def joules_measured(self) -> float | None:
        """Joules of all its stages that run a model; None where one of them is not known."""
        known = bool(self.joules) and set(self.repeats) <= set(self.joules)
        return sum(self.joules.values()) if known else None

    def as_dict(self) -> dict[str, Any]:
        """Its entry in the file."""
        optional = ("joules", "together", "weights_mb")
        return {k: v for k, v in asdict(self).items() if v or k not in optional}


@dataclass(frozen=True)
class SavedFailure:
    """A stage that failed."""

    key: str
    stage: str
    error: str


@dataclass(frozen=True)
class SavedCut:
    """A text whose end an encoder did not read.

    Attributes:
        role: whose encoder it is: prior, decoder, text, or that of a CLIP for metrics.
        tokens: of the whole text; `kept`: how many were read. Both with those at the ends.
        lost: the end that was not read.
        reader: which of the role's encoders, in words; not in the file where it has one.
    """

    role: str
    text: str
    tokens: int
    kept: int
    lost: str
    reader: str | None = None

    @classmethod
    def of(cls, cut: CutText) -> SavedCut:
        """As it is recorded."""
        return cls(cut.role, cut.text, cut.tokens, cut.most, cut.lost, cut.reader)

    def as_dict(self) -> dict[str, Any]:
        """Its part of a file, as plain values."""
        content = asdict(self)
        return content if self.reader else {k: v for k, v in content.items() if k != "reader"}


@dataclass(frozen=True)
class SavedMetric:
    """A metric. `better`: higher, lower, or None."""

    better: str | None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """`manifest.json` of a run or of a sweep's cell; its fields in the file's order.

    Attributes:
        run_id: the runner's own.
        mlflow_run_id: None while it is not known.
        scores: metrics of all images together, by name.
        flags: where else configs were looked for, see `RunConfig.flags`.
        cut_texts: texts that were cut. These two are not in the file where there are none.
        config: as composed.
        environment: see `provenance.describe`.
    """

    run_id: Identifier
    mlflow_run_id: Identifier | None = None
    status: Status
    name: str
    question: str | None = None
    overrides: Sequence[str]
    flags: Sequence[str] = field(default_factory=list)
    images: Sequence[SavedImage]
    scores: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, SavedMetric] = field(default_factory=dict)
    failures: Sequence[SavedFailure] = field(default_factory=list)
    cut_texts: Sequence[SavedCut] = field(default_factory=list)
    config: Mapping[str, Any]
    environment: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of a run's folder. Raises as `read_file` does."""
        return cls.read_file(folder / MANIFEST)

    @classmethod
    def read_file(cls, file: Path) -> Manifest:
        """Read a manifest from any path.

        Raises:
            OSError: it does not exist or cannot be read.
            FieldError: it is not JSON, or of another version; a field is missing, of another type,
                or a name that leads out of the folder.
        """
        content = read_json(file)
        if isinstance(content, dict) and content.get("version", VERSION) != VERSION:
            raise FieldError(f"'version' is another one: {content['version']!r:.100}", file)
        manifest = read_as(cls, content, file)
        check_recorded(manifest.config, manifest.environment, file)
        return manifest

    @classmethod
    def read_if_whole(cls, folder: Path) -> Manifest | None:
        """None where `read` would raise."""
        try:
            return cls.read(folder)
        except (OSError, FieldError):
            return None

    def write(self, folder: Path) -> None:
        """Write it atomically. Raises StorageError where it cannot be written."""
        _write(folder, self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """The file's content as plain values."""
        # `asdict` of all would copy the config and the environment, each time it is written.
        content = {own.name: getattr(self, own.name) for own in fields(self)}
        content = {"version": VERSION, **content, "status": str(self.status)}
        content["images"] = [image.as_dict() for image in self.images]
        content["metrics"] = {name: asdict(metric) for name, metric in self.metrics.items()}
        content["failures"] = [asdict(failure) for failure in self.failures]
        content["cut_texts"] = [cut.as_dict() for cut in self.cut_texts]
        return {k: v for k, v in content.items() if v or k not in ("flags", "cut_texts")}


def cell_status(folder: Path) -> Status:
    """A cell's status by its manifest alone; RUNNING also where its process was killed."""
    manifest = Manifest.read_if_whole(folder)
    return Status.PENDING if manifest is None else manifest.status


def has_whole_pictures(folder: Path) -> bool:
    """Whether all pictures of the manifest exist with the recorded pixels."""
    from runner.images.png import read_whole_picture  # a plan need not import PIL

    manifest = Manifest.read_if_whole(folder)
    try:
        return manifest is not None and all(
            read_whole_picture(path_below(folder, image.file), image.sha256) is not None
            for image in manifest.images
        )
    except (OSError, UntrustedError):
        return False


def lacks_mlflow_run(folder: Path) -> bool:
    """Whether a cell's manifest lacks the id of its MLflow run."""
    manifest = Manifest.read_if_whole(folder)
    return manifest is not None and manifest.mlflow_run_id is None


def note_mlflow_run(folder: Path, mlflow_run_id: str) -> None:
    """Write the id of a cell's MLflow run into its manifest.

    All else in the file stays, also fields of other versions of the runner.
    """
    content = read_json(folder / MANIFEST)
    _write(folder, {**content, "mlflow_run_id": mlflow_run_id})


def _write(folder: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / MANIFEST, text.encode())
