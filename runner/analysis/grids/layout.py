"""Places pictures on sheets: a row per cell, or any axes as rows, columns and sheets."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.analysis.grids.shots import CELL, PROMPT, SEED, CellShots, Shot, names_cell
from runner.errors import ConfigError


@dataclass(frozen=True)
class Tile:
    """A picture and its caption.

    Attributes:
        end: of the caption; a long caption is cut before it.
        given: whether it is an input that others were made from; drawn with a frame.
    """

    file: Path
    caption: str = ""
    end: str = ""
    given: bool = False


@dataclass(frozen=True)
class Row:
    """A row of tiles; None where there is no such picture."""

    label: str
    tiles: tuple[Tile | None, ...]


@dataclass(frozen=True)
class Sheet:
    """One contact sheet.

    Attributes:
        name: what distinguishes it from other sheets, for its title; "" if it is the only one.
        columns: a heading for each; none where each tile has a caption of its own.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def texts_of(sheet: Sheet) -> Iterator[str]:
    """All that is written on a sheet."""
    yield from (sheet.name, *sheet.columns)
    for row in sheet.rows:
        yield row.label
        yield from (tile.caption + tile.end for tile in row.tiles if tile is not None)


def by_cell(cells: Sequence[CellShots]) -> Sheet:
    """A row per cell: its input pictures, then its images with their prompts."""
    rows = []
    for cell in cells:
        seeds = {shot.values[SEED] for shot in cell.shots}
        given = [Tile(file, name, given=True) for name, file in cell.inputs.items()]
        made = [Tile(shot.file, *_caption(shot, len(seeds) > 1)) for shot in cell.shots]
        rows.append(Row(cell.label, (*given, *made)))
    return Sheet("", (), tuple(rows))


def by_axes(
    cells: Sequence[CellShots], rows: str, columns: str, sheets: Sequence[str] = ()
) -> list[Sheet]:
    """A row for each value of one axis, a column for each value of another.

    Other axes that vary besides these go to separate sheets, so that no two pictures share a place.

    Raises:
        ConfigError: no such axis; one is named twice; or rows and columns say the same.
    """
    shots = [shot for cell in cells for shot in cell.shots]
    check_axes(shots, rows, columns, sheets)
    others = [a for a in axes(shots) if a not in (rows, columns, *sheets) and a != CELL]
    apart = list(sheets)
    for axis in others:
        if _varies(shots, axis, [rows, columns, *apart]):
            apart.append(axis)
    made = []
    for chosen in itertools.product(*(_values(shots, axis) for axis in apart)):
        here = {
            (shot.values.get(rows), shot.values.get(columns)): shot
            for shot in shots
            if all(shot.values.get(a) == value for a, value in zip(apart, chosen, strict=True))
        }
        if here:
            name = ", ".join(f"{a}={value}" for a, value in zip(apart, chosen, strict=True))
            made.append(_table(name, here, rows, columns, shots))
    return made


def check_axes(
    shots: Sequence[Shot], rows: str | None, columns: str | None, sheets: Sequence[str]
) -> None:
    """Check that sheets of these axes would show something. Raises ConfigError, see `by_axes`."""
    known = axes(shots)
    named = [("rows", rows), ("columns", columns), *(("sheets", axis) for axis in sheets)]
    seen: dict[str, str] = {}
    for option, axis in named:
        if axis is None:
            continue
        if axis not in known:
            raise ConfigError(option, axis, "is no axis of these pictures", known)
        if axis in seen:
            raise ConfigError(
                option,
                axis,
                f"is named for {seen[axis]} already",
                [a for a in known if a not in seen],
            )
        seen[axis] = option
    if rows is None or columns is None:
        return
    pairs = {(shot.values.get(rows), shot.values.get(columns)) for shot in shots}
    if len(pairs) > 1 and len(pairs) == len(_values(shots, rows)) == len(_values(shots, columns)):
        problem = f"goes with {rows}: each row and each column would have one picture"
        raise ConfigError("columns", columns, problem, [a for a in known if a not in seen])


def _varies(shots: Iterable[Shot], axis: str, within: Sequence[str]) -> bool:
    """Whether an axis has several values where the others have one."""
    found: dict[tuple[str | None, ...], str | None] = {}
    for shot in shots:
        place = tuple(shot.values.get(other) for other in within)
        if found.setdefault(place, shot.values.get(axis)) != shot.values.get(axis):
            return True
    return False


def axes(shots: Iterable[Shot]) -> list[str]:
    """The axes to choose from: the keys that the sweep varies, prompt, seed, cell."""
    return list(dict.fromkeys(axis for shot in shots for axis in shot.values))


def _table(
    name: str,
    here: dict[tuple[str | None, str | None], Shot],
    rows: str,
    columns: str,
    shots: Sequence[Shot],
) -> Sheet:
    headings, labels = _values(shots, columns), _values(shots, rows)
    lines = tuple(
        Row(
            _said(rows, label),
            tuple(
                Tile(here[label, heading].file) if (label, heading) in here else None
                for heading in headings
            ),
        )
        for label in labels
    )
    return Sheet(name, tuple(_said(columns, heading) for heading in headings), lines)


def _values(shots: Iterable[Shot], axis: str) -> list[str]:
    """The values of an axis, in order of appearance."""
    return list(dict.fromkeys(shot.values[axis] for shot in shots if axis in shot.values))


def _said(axis: str, value: str) -> str:
    return value if axis == PROMPT or names_cell(axis) else f"{axis}={value}"


def _caption(shot: Shot, with_seed: bool) -> tuple[str, str]:
    """A picture's prompt, and its seed."""
    seed = f"seed {shot.values[SEED]}"
    prompt = shot.values[PROMPT]
    if not prompt:
        return "", seed
    return (f"{prompt},", seed) if with_seed else (prompt, "")
