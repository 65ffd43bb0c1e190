"""What a run or a sweep has made: its images, numbers and failures, cell by cell."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from runner.analysis.costs import COSTS, Better, costs_of
from runner.analysis.timing import why_unmeasured
from runner.config.measuring import SECONDS, WEIGHTS, baseline_of
from runner.config.overrides import assigned
from runner.config.values import as_shown
from runner.recording.manifest import Manifest, SavedFailure, SavedImage
from runner.tracking.status import Status


@dataclass(frozen=True)
class ImageResult:
    """An image.

    Attributes:
        file: its PNG.
        record: its entry in the manifest.
    """

    file: Path
    record: SavedImage

    @property
    def prompt(self) -> str:
        return self.record.prompt

    @property
    def seed(self) -> int:
        return self.record.seed

    @property
    def inputs(self) -> dict[str, Path]:
        """Its input pictures, as the model saw them, by name."""
        return {name: self.file.parent / file for name, file in self.record.inputs.items()}

    @property
    def scores(self) -> dict[str, float]:
        """Its metrics by name, and what is known of its costs, but seconds."""
        return {**self.record.scores, **costs_of(self.record)}


@dataclass(frozen=True)
class CellResult:
    """A cell of a sweep, or a single run.

    Attributes:
        folder: with its images and manifest.
        overrides: those of the sweep, or the run's own.
        choice: the sweep's axes, each with this cell's value.
        manifest: None where it has not begun.
    """

    number: int
    folder: Path
    overrides: tuple[str, ...]
    choice: Mapping[str, str]
    manifest: Manifest | None

    @property
    def status(self) -> Status:
        """The status in the manifest; PENDING where it has not begun."""
        return Status.PENDING if self.manifest is None else self.manifest.status

    @property
    def config(self) -> Mapping[str, Any]:
        """The config as composed; empty where it has not begun."""
        return {} if self.manifest is None else self.manifest.config

    @cached_property
    def images(self) -> tuple[ImageResult, ...]:
        """Its images, in the order of the manifest."""
        images = () if self.manifest is None else self.manifest.images
        return tuple(ImageResult(self.folder / image.file, image) for image in images)

    @property
    def label(self) -> str:
        """The values that distinguish it from other cells; "" in a single run."""
        return " ".join(f"{axis}={value}" for axis, value in self.choice.items())

    @property
    def scores(self) -> Mapping[str, float]:
        """Metrics of all its images together, by name."""
        return {} if self.manifest is None else self.manifest.scores

    @property
    def failures(self) -> Sequence[SavedFailure]:
        """The stages that failed."""
        return () if self.manifest is None else self.manifest.failures


@dataclass(frozen=True)
class SweepResult:
    """A sweep, or a single run as its only cell.

    Attributes:
        axes: keys that differ between cells, each with its values in order; texts without the
            quotes in which they were typed.
        command: what runs it again; of a sweep that has grown, a line for each command.
        status: of the whole sweep.
        seconds: wall time of the sweep; None of a single run.
        runs: MLflow runs of the sweep itself, by experiment.
        started: when it first began, as ISO 8601; "" if unknown.
        sweeps: how many were read as this one.
    """

    folder: Path
    name: str
    status: Status
    axes: Mapping[str, Sequence[str]]
    cells: tuple[CellResult, ...]
    command: str
    seconds: float | None
    runs: Mapping[str, str]
    started: str = ""
    sweeps: int = 1

    @property
    def question(self) -> str | None:
        """The question that the sweep is to answer, from its config."""
        return next((c.manifest.question for c in self.cells if c.manifest), None)

    @property
    def baseline(self) -> dict[str, str]:
        """Key -> value of the config's `baseline`."""
        config: Mapping[str, Any] = next((c.config for c in self.cells if c.manifest), {})
        pairs = assigned(baseline_of(config.get("baseline")))
        return {key: as_shown(key, value, self.axes.get(key, ())) for key, value in pairs.items()}

    @cached_property
    def unmeasured(self) -> str | None:
        """Why the seconds of its images cannot be compared; None: they were measured together."""
        return why_unmeasured([image.record for image in self.images()])

    def scores_of(self, image: ImageResult) -> dict[str, float]:
        """An image's metrics, and all of `COSTS` that were measured."""
        seconds = image.record.seconds_measured
        timed = {} if seconds is None or self.unmeasured else {SECONDS: seconds}
        weights = image.record.weights_mb
        held = {WEIGHTS: weights} if weights is not None and self._weights_differ else {}
        return {**image.scores, **timed, **held}

    @cached_property
    def _weights_differ(self) -> bool:
        """Whether some models take other memory than others: by `quantize`, precision, version."""
        return len({image.record.weights_mb for image in self.images()} - {None}) > 1

    def mean(self, cell: CellResult, name: str) -> float | None:
        """A metric's mean over a cell's images, or its number where it is a metric of the whole
        cell; None where it was not measured.
        """
        if name in cell.scores:
            return cell.scores[name]
        found = [own[name] for image in cell.images if name in (own := self.scores_of(image))]
        return sum(found) / len(found) if found else None

    @cached_property
    def better(self) -> dict[str, Better]:
        """Each number that some image or cell has, and whether higher or lower is better.

        A metric of several numbers has each of them as "metric.number".
        """
        said: dict[str, Better] = dict(COSTS)
        for cell in self.cells:
            metrics = {} if cell.manifest is None else cell.manifest.metrics
            said.update({name: known.better for name, known in metrics.items()})
        order = [*(name for name in said if name not in COSTS), *COSTS]
        names = {name for image in self.images() for name in self.scores_of(image)}
        names |= {name for cell in self.cells for name in cell.scores}
        return {
            name: said[name.partition(".")[0]]
            for name in sorted(names, key=lambda n: (order.index(n.partition(".")[0]), n))
        }

    @cached_property
    def digest(self) -> str:
        """A digest of all pictures and numbers: it changes when any of them does."""
        pictures = [
            [cell.number, image.record.sha256, self.scores_of(image)]
            for cell in self.cells
            for image in cell.images
        ]
        together = [[cell.number, cell.scores] for cell in self.cells]
        said = json.dumps([pictures, together], sort_keys=True)
        return sha256(said.encode()).hexdigest()

    def images(self) -> Iterator[ImageResult]:
        """The images of all cells."""
        for cell in self.cells:
            yield from cell.images
