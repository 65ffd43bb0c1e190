"""The pictures of a run or a sweep, each with what set it apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.config.choices import Version
from runner.errors import ConfigError
from runner.outputs import MANIFEST, read_manifest
from runner.sweep_folder import SWEEP, read_record

PROMPT, SEED, CELL = "prompt", "seed", "cell"
GIVEN = ("image", "mask", "hint")
"""Keys of `inputs` that name pictures."""


@dataclass(frozen=True)
class Shot:
    """A picture of a sweep.

    Attributes:
        values: axis -> its value here: each key that the sweep varies, and prompt, seed and cell.
    """

    file: Path
    values: Mapping[str, str]


@dataclass(frozen=True)
class Given:
    """A picture that others were made from.

    Attributes:
        box: of what is to be repainted: left, top, right, bottom, in its own pixels.
    """

    name: str
    file: Path
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class CellShots:
    """The pictures of one cell, and its label: task and version, and what else sets it apart."""

    label: str
    given: tuple[Given, ...]
    shots: tuple[Shot, ...]


def read_cells(folder: Path) -> list[CellShots]:
    """The cells of a sweep's folder, or the one of a run's, as far as they have pictures.

    Raises:
        ConfigError: it is no folder of a run or a sweep, or there is no picture in it.
    """
    if (folder / SWEEP).is_file():
        record = read_record(folder)
        axes = [axis for axis, values in record.axes.items() if len(values) > 1]
        cells = [
            _cell(folder / entry.folder, str(entry.number), _varied(entry.overrides, axes))
            for entry in record.cells
            if (folder / entry.folder / MANIFEST).is_file()
        ]
    elif (folder / MANIFEST).is_file():
        cells = [_cell(folder, "0", {})]
    else:
        problem = f"is no folder of a run or a sweep: no {MANIFEST}, no {SWEEP}"
        raise ConfigError("folder", folder, problem)
    found = [cell for cell in cells if cell.shots]
    if not found:
        raise ConfigError("folder", folder, "has no picture yet")
    return found


def _varied(overrides: Sequence[str], axes: Sequence[str]) -> dict[str, str]:
    pairs = (override.partition("=") for override in overrides)
    return {key: value for key, _, value in pairs if key in axes}


def _cell(folder: Path, number: str, varied: Mapping[str, str]) -> CellShots:
    manifest = read_manifest(folder)
    config = manifest["config"]
    named = f"{config['task']['name']} {Version[config['model']['version']].value}"
    said = [f"{key}={value}" for key, value in varied.items() if not names_cell(key)]
    images = sorted(manifest["images"], key=lambda image: str(image["file"]))
    return CellShots(
        label=", ".join([named, *said]),
        given=tuple(given for given in _given(config) if given.file.is_file()),
        shots=tuple(
            Shot(
                folder / image["file"],
                {
                    CELL: number,
                    **varied,
                    PROMPT: image["prompt"] or _mixed(config),
                    SEED: str(image["seed"]),
                },
            )
            for image in images
        ),
    )


def names_cell(axis: str) -> bool:
    """Whether an axis chooses what a label says anyway: version, task, or a whole experiment."""
    return axis in ("model", "task", "experiment")


def _given(config: Mapping[str, Any]) -> Iterator[Given]:
    inputs = config["inputs"]
    for name in GIVEN:
        if inputs[name]:
            box = tuple(inputs["mask_box"] or ()) if name == "image" else ()
            yield Given(name, Path(inputs[name]), box or None)
    for item in config["interpolate"]["items"]:
        if item["image"]:
            yield Given(Path(item["image"]).name, Path(item["image"]))


def _mixed(config: Mapping[str, Any]) -> str:
    """What interpolate mixes, in place of a prompt: "0.5 circle.png + 0.5 a blue square"."""
    items = config["interpolate"]["items"]
    given = [item["weight"] for item in items if item["weight"] is not None]
    share = (1 - sum(given)) / max(1, len(items) - len(given))
    return " + ".join(
        f"{share if item['weight'] is None else item['weight']:g} "
        f"{item['text'] or Path(item['image']).name}"
        for item in items
    )
