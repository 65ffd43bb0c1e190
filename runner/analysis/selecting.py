"""Takes those cells of a sweep that have given values, and those pictures: `--where key=value`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from runner.analysis.results import CellResult, ImageResult, SweepResult
from runner.config.values import as_shown, one_of
from runner.errors import ConfigError
from runner.system.text import with_near

OF_PICTURES: Mapping[str, Callable[[ImageResult], str]] = {
    "prompt": lambda image: image.prompt,
    "seed": lambda image: str(image.seed),
}
"""What each picture has of its own, whether or not an axis says it of its cell."""


def select(results: SweepResult, where: Sequence[str]) -> SweepResult:
    """The cells and pictures that have these values; axes of which one value is left are axes no
    more. Cells without such a picture are left out, and so are numbers of whole cells where only
    some of their pictures are taken.

    Args:
        where: `key=value`; several of one key mean any of them. A prompt may be a pattern: `*` is
            any text.

    Raises:
        ConfigError: there is no such axis, no such value, or no cell that has all of them.
    """
    pictures = of_pictures(where, results)
    cells = _cells(results, [text for text in where if text not in pictures])
    if pictures:
        cells = _with_pictures(cells, pictures)
    if not cells:
        problem = "is no cell of this sweep"
        raise ConfigError("where", " ".join(where), problem, "values that a cell has together")
    return replace(results, axes=_axes_of(results, cells), cells=cells)


def _cells(results: SweepResult, where: Iterable[str]) -> tuple[CellResult, ...]:
    wanted: dict[str, list[str]] = {}
    for text in where:
        axis, equals, value = text.partition("=")
        if axis not in results.axes:
            known = dict.fromkeys([*results.axes, *OF_PICTURES])
            allowed = [f"{name}=..." for name in known]
            problem = with_near("names no axis of this sweep", axis, known)
            raise ConfigError("where", text, problem, allowed)
        value = as_shown(axis, value, results.axes[axis])
        if not equals or value not in results.axes[axis]:
            allowed = [f"{axis}={one}" for one in results.axes[axis]]
            raise ConfigError("where", text, "is in no cell of this sweep", allowed)
        wanted.setdefault(axis, []).append(value)
    return tuple(
        cell
        for cell in results.cells
        if all(cell.choice.get(axis) in values for axis, values in wanted.items())
    )


def of_pictures(where: Iterable[str], results: SweepResult) -> list[str]:
    """Those that take pictures. A value of an axis, as it was typed there, is one of cells; but
    beside another of its key that is not, as a pattern, all of them take pictures.
    """
    pairs = [text.partition("=") for text in where]
    keys = {
        key
        for key, equals, value in pairs
        if equals and key in OF_PICTURES and one_of(key, value, results.axes.get(key, ())) is None
    }
    return ["".join(pair) for pair in pairs if pair[0] in keys]


def _with_pictures(cells: Sequence[CellResult], where: Sequence[str]) -> tuple[CellResult, ...]:
    wanted: dict[str, list[str]] = {}
    for text in where:
        key, _, value = text.partition("=")
        said = dict.fromkeys(OF_PICTURES[key](image) for cell in cells for image in cell.images)
        found = [one for one in said if one == value or (key == "prompt" and _is_like(one, value))]
        if not found:
            allowed = [f"{key}={one}" for one in said]
            raise ConfigError("where", text, "is of no picture of these cells", allowed)
        wanted.setdefault(key, []).extend(found)

    def is_taken(image: ImageResult) -> bool:
        return all(OF_PICTURES[key](image) in values for key, values in wanted.items())

    kept = (_with_some(cell, is_taken) for cell in cells)
    return tuple(cell for cell in kept if cell.images)


def _is_like(prompt: str, pattern: str) -> bool:
    """`*` alone means anything: a prompt may well have brackets and question marks."""
    return fnmatchcase(prompt, pattern.replace("[", "[[]").replace("?", "[?]"))


def _with_some(cell: CellResult, is_taken: Callable[[ImageResult], bool]) -> CellResult:
    if cell.manifest is None or all(map(is_taken, cell.images)):
        return cell
    images = [image.record for image in cell.images if is_taken(image)]
    return replace(cell, manifest=replace(cell.manifest, images=images, scores={}))


def strata_of(
    results: SweepResult, within: Sequence[str]
) -> list[tuple[dict[str, str], SweepResult]]:
    """The values of some axes, and the cells that have them, in the sweep's order.

    Those axes are none of a stratum's own: its pictures are paired by the others.
    """
    found: dict[tuple[str | None, ...], list[int]] = {}
    for place, cell in enumerate(results.cells):
        found.setdefault(tuple(cell.choice.get(axis) for axis in within), []).append(place)
    axes = {axis: values for axis, values in results.axes.items() if axis not in within}
    return [
        (
            {axis: value for axis, value in zip(within, own, strict=True) if value is not None},
            replace(results, axes=axes, cells=tuple(results.cells[place] for place in places)),
        )
        for own, places in found.items()
    ]


def _axes_of(results: SweepResult, cells: Sequence[CellResult]) -> dict[str, Sequence[str]]:
    left = {
        axis: [v for v in values if any(c.choice.get(axis) == v for c in cells)]
        for axis, values in results.axes.items()
    }
    return {axis: values for axis, values in left.items() if len(values) > 1}
