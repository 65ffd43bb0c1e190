"""Takes those cells of a sweep that have given values: `--where key=value`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runner.analysis.results import CellResult, SweepResult
from runner.errors import ConfigError


def select(results: SweepResult, where: Sequence[str]) -> SweepResult:
    """The cells that have these values; axes of which one value is left are axes no more.

    Args:
        where: `key=value`; several of one key mean any of them.

    Raises:
        ConfigError: there is no such axis, no such value, or no cell that has all of them.
    """
    wanted: dict[str, list[str]] = {}
    for text in where:
        axis, equals, value = text.partition("=")
        if axis not in results.axes:
            allowed = [f"{name}=..." for name in results.axes] or "a sweep over some key"
            raise ConfigError("where", text, "names no axis of this sweep", allowed)
        if not equals or value not in results.axes[axis]:
            allowed = [f"{axis}={one}" for one in results.axes[axis]]
            raise ConfigError("where", text, "is in no cell of this sweep", allowed)
        wanted.setdefault(axis, []).append(value)
    cells = tuple(
        cell
        for cell in results.cells
        if all(cell.choice.get(axis) in values for axis, values in wanted.items())
    )
    if not cells:
        problem = "is no cell of this sweep"
        raise ConfigError("where", " ".join(where), problem, "values that a cell has together")
    return replace(results, axes=_axes_of(results, cells), cells=cells)


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
