"""Groups a sweep's pictures by setting, and pairs those that differ in nothing else.

A setting is what the compared axes (`by`) are set to. The pictures of two settings are paired where
the other axes, prompt and seed are the same. Where the prompts themselves are compared, or the
seeds, a picture's place in its cell says which prompts and seeds belong together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from runner.analysis.results import CellResult, ImageResult, SweepResult
from runner.errors import ConfigError
from runner.recording.manifest import SavedImage
from runner.system.text import with_near
from runner.tracking.status import Status

PICTURE_AXES = ("prompt", "prompt_file", "prompt_template", "prompt_replace", "seeds")
"""Axes given by each picture's own prompt and seed; compared only where they are named."""


ENOUGH_PROMPTS = 8
"""From so many prompts on, whole prompts are resampled: results then generalise to similar prompts.
With fewer, pairs of prompt and seed are, and results hold for these prompts only."""


@dataclass(frozen=True)
class Measured:
    """The finite numbers of a picture, with its prompt and seed; or of a cell as a whole.

    Attributes:
        image: the picture; None: a whole cell.
    """

    prompt: str
    seed: int
    scores: Mapping[str, float]
    image: ImageResult | None = None


@dataclass(frozen=True)
class Setting:
    """Values of the compared axes, and what was made with them, by the key that pairs it.

    Attributes:
        whole: metrics of all pictures of a cell together.
        left_out: metric -> how many of its numbers are not finite.
    """

    choice: Mapping[str, str]
    pictures: dict[Hashable, Measured] = field(default_factory=dict)
    whole: dict[Hashable, Measured] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """Numbers, each with its prompt and seed."""

    values: tuple[float, ...] = ()
    prompts: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()


def compared_axes(results: SweepResult, by: Sequence[str] | None) -> tuple[str, ...]:
    """The axes that make a setting: those of `by`; None: all but prompt and seeds.

    Raises:
        ConfigError: there is no such axis, or no axis is left.
    """
    axes = list(results.axes)
    if by is None:
        found = tuple(axis for axis in axes if axis not in PICTURE_AXES)
        if not found:
            problem = "this sweep varies nothing but prompts and seeds"
            raise ConfigError("by", None, problem, axes or "a sweep over some key")
        return found
    for axis in by:
        if axis not in axes:
            raise ConfigError("by", axis, with_near("is no axis of this sweep", axis, axes), axes)
    if not by:
        raise ConfigError("by", None, "names no axis", axes)
    return tuple(dict.fromkeys(by))


def settings_of(results: SweepResult, by: Sequence[str]) -> list[Setting]:
    """The settings in the sweep's order, with those that have no picture yet.

    Raises:
        ConfigError: two cells of one setting have other pictures of one prompt and seed, so that
            something that is no axis differs.
    """
    made: dict[Hashable, tuple[int, SavedImage]] = {}
    found: dict[tuple[str | None, ...], Setting] = {}
    places = paired_by_place(by)
    others = [
        axis for axis in results.axes if axis not in by and (places or axis not in PICTURE_AXES)
    ]
    for cell in results.cells:
        own = tuple(cell.choice.get(axis) for axis in by)
        choice = {axis: cell.choice[axis] for axis in by if axis in cell.choice}
        setting = found.setdefault(own, Setting(choice))
        apart = tuple(cell.choice.get(axis) for axis in others)
        which = _places(cell) if places else _pictures
        for image in cell.images:
            scores = _finite(results.scores_of(image), setting)
            # The same prompt twice in a cell is one picture.
            unit = (apart, *which(image))
            number, first = made.setdefault((own, unit), (cell.number, image.record))
            if number != cell.number:
                _check_same(first, image.record, (number, cell.number))
            setting.pictures[unit] = Measured(image.prompt, image.seed, scores, image)
        if cell.scores:
            # Where numbers are resampled, it counts as a prompt of its own.
            rest = tuple(cell.choice.get(axis) for axis in results.axes if axis not in by)
            setting.whole[rest] = Measured(repr(rest), 0, _finite(cell.scores, setting))
    return list(found.values())


def _check_same(one: SavedImage, other: SavedImage, cells: tuple[int, int]) -> None:
    """Check that pictures of two cells of one setting are the same, made in the same way."""
    if (one.sha256, one.stage_keys) != (other.sha256, other.stage_keys):
        raise ConfigError(
            "cells", "{} and {}".format(*cells), "have the same values of all axes and other "
            "pictures: they differ in a key that the sweep's record does not name",
            "a sweep whose axes tell its cells apart; to join it once more (into=...) finds them",
        )  # fmt: skip


def paired_by_place(by: Sequence[str]) -> bool:
    """Whether pictures of different prompts or seeds are pairs."""
    return any(axis in PICTURE_AXES for axis in by)


def _pictures(image: ImageResult) -> tuple[Hashable, ...]:
    return (image.prompt, image.seed)


def _places(cell: CellResult) -> Callable[[ImageResult], tuple[Hashable, ...]]:
    """What tells a cell's pictures from each other, and is the same of their counterparts: the
    places of prompt and seed.
    """
    seeds = list(cell.config.get("seeds") or ())
    prompts = list(dict.fromkeys(image.prompt for image in cell.images))
    numbers = [image.record.number for image in cell.images]
    # Numbers are by the lists of prompts and seeds, even where some pictures are missing; but in a
    # cell that has grown, in the order in which the pictures came.
    has_grown = numbers != sorted(numbers)

    def place(image: ImageResult) -> tuple[Hashable, ...]:
        if image.seed not in seeds:
            return (image.record.number,)
        if has_grown:
            return (prompts.index(image.prompt), seeds.index(image.seed))
        return divmod(image.record.number, len(seeds))

    return place


def _finite(scores: Mapping[str, float], setting: Setting) -> dict[str, float]:
    finite = {name: value for name, value in scores.items() if math.isfinite(value)}
    for name in scores.keys() - finite.keys():
        setting.left_out[name] = setting.left_out.get(name, 0) + 1
    return finite


def having(setting: Setting, metric: str) -> dict[Hashable, Measured]:
    """The pictures or cells that have the metric, by the key that pairs them."""
    found = {unit: own for unit, own in setting.pictures.items() if metric in own.scores}
    return found or {unit: own for unit, own in setting.whole.items() if metric in own.scores}


def numbers(setting: Setting, metric: str) -> Sample:
    """The metric's numbers of a setting's pictures, or of its cells."""
    return _sample((own.scores[metric], own) for own in having(setting, metric).values())


def differences(setting: Setting, baseline: Setting, metric: str) -> Sample:
    """The setting's numbers minus the baseline's, over the pictures (or cells) that both have."""
    ours = having(setting, metric)
    return _sample(
        (ours[unit].scores[metric] - own.scores[metric], own)
        for unit, own in having(baseline, metric).items()
        if unit in ours
    )


def _sample(found: Iterable[tuple[float, Measured]]) -> Sample:
    rows = [(value, picture.prompt, picture.seed) for value, picture in found]
    return Sample(*zip(*rows, strict=True)) if rows else Sample()


def unfinished(results: SweepResult) -> list[CellResult]:
    """Cells that lack pictures or numbers."""
    return [cell for cell in results.cells if cell.status != Status.FINISHED]
