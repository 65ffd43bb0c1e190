"""Reads the pictures of a run or a sweep, each with its values on the axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.analysis.results import CellResult, read_results
from runner.catalog.versions import VERSIONS
from runner.config.checks import complete_weights
from runner.errors import ConfigError
from runner.recording.recorded import RecordedConfig, read_config

PROMPT, SEED, CELL = "prompt", "seed", "cell"


@dataclass(frozen=True)
class Shot:
    """A picture of a sweep.

    Attributes:
        values: axis -> its value here: each key that the sweep varies, and prompt, seed and cell.
    """

    file: Path
    values: Mapping[str, str]


@dataclass(frozen=True)
class CellShots:
    """The pictures of one cell.

    Attributes:
        label: task and version, and other values that differ between cells.
        inputs: names and files of the input pictures, as the model saw them.
    """

    label: str
    inputs: Mapping[str, Path]
    shots: tuple[Shot, ...]


def read_cells(folder: Path) -> list[CellShots]:
    """The cells of a sweep's folder, or the one of a run's, that have pictures.

    Raises:
        ConfigError: it is not the folder of a run or a sweep, or has no picture.
    """
    found = [_shots_of(cell) for cell in read_results(folder).cells if cell.images]
    if not found:
        raise ConfigError("folder", folder, "has no picture yet")
    return found


def _shots_of(cell: CellResult) -> CellShots:
    config = read_config(cell.config)
    version = config.model.version
    title = VERSIONS[version].title if version in VERSIONS else version
    named = f"{config.task.name} {title}"
    said = [f"{key}={value}" for key, value in cell.choice.items() if not names_cell(key)]
    images = sorted(cell.images, key=lambda image: image.file.name)
    return CellShots(
        label=", ".join([named, *said]),
        inputs={name: file for name, file in images[0].inputs.items() if file.is_file()},
        shots=tuple(
            Shot(
                image.file,
                {
                    CELL: str(cell.number),
                    **cell.choice,
                    PROMPT: image.prompt or _mixed(config),
                    SEED: str(image.seed),
                },
            )
            for image in images
        ),
    )


def names_cell(axis: str) -> bool:
    """Whether the label shows an axis already: version, task, or a whole experiment."""
    return axis in ("model", "task", "experiment")


def _mixed(config: RecordedConfig) -> str:
    """What `interpolate` mixes, in place of a prompt: "0.5 circle.png + 0.5 a blue square"."""
    items = config.interpolate.items
    weights = complete_weights([item.weight for item in items])
    return " + ".join(
        f"{weight:g} {item.text or Path(item.image or '').name}"
        for item, weight in zip(items, weights, strict=True)
    )
