"""Reads the pictures of a run or a sweep, each with its values on the axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.analysis.results import CellResult, SweepResult
from runner.analysis.selecting import of_pictures, select
from runner.catalog.versions import VERSIONS
from runner.config.checks import complete_weights
from runner.errors import ConfigError
from runner.recording.recorded import RecordedConfig, read_config
from runner.tracking.status import Status

PROMPT, SEED, CELL = "prompt", "seed", "cell"
LACKS = dict.fromkeys(Status, "not drawn yet") | {
    Status.FINISHED: "", Status.FAILED: "failed"
}  # fmt: skip


@dataclass(frozen=True)
class Shot:
    """A picture of a sweep.

    Attributes:
        values: axis -> its value here: each key that the sweep varies, and prompt, seed and cell.
        shape: height over width.
    """

    file: Path
    values: Mapping[str, str]
    shape: float = 1.0


@dataclass(frozen=True)
class CellShots:
    """The pictures of one cell.

    Attributes:
        label: task and version.
        inputs: names and files of the input pictures, as the model saw them.
        choice: the sweep's axes, each with this cell's value.
        lacks: why there may be no picture: it failed, or has not ended; "" where it is whole.
    """

    label: str
    inputs: Mapping[str, Path]
    shots: tuple[Shot, ...]
    choice: Mapping[str, str] = field(default_factory=dict)
    lacks: str = ""


def shots_of(results: SweepResult) -> list[CellShots]:
    """The cells of a sweep or a run; those without pictures say only what they lack.

    Raises:
        ConfigError: there is no picture.
    """
    found = [_shots_of(cell) for cell in results.cells]
    if not any(cell.shots for cell in found):
        raise ConfigError("folder", results.folder, "has no picture yet")
    return found


def chosen(results: SweepResult, where: Sequence[str]) -> list[CellShots]:
    """The cells and pictures that have these values; cells that lack their pictures stay, as far
    as they have them.

    Args:
        where: `key=value`, see `select`.

    Raises:
        ConfigError: nothing has such values, or there is no such axis.
    """
    if not where:
        return shots_of(results)
    pictures = of_pictures(where, results)
    of_cells = [text for text in where if text not in pictures]
    lacking = [cell for cell in select(results, of_cells).cells if not cell.images]
    taken = [cell for cell in select(results, where).cells if cell.images]
    return shots_of(replace(results, cells=(*taken, *lacking)))


def _shots_of(cell: CellResult) -> CellShots:
    lacks = LACKS[cell.status]
    if not cell.images:
        return CellShots("", {}, (), cell.choice, lacks)
    config = read_config(cell.config)
    version = config.model.version
    title = VERSIONS[version].title if version in VERSIONS else version
    images = sorted(cell.images, key=lambda image: image.file.name)
    return CellShots(
        label=f"{config.task.name} {title}",
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
                image.record.height / max(1, image.record.width),
            )
            for image in images
        ),
        choice=cell.choice,
        lacks=lacks,
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
