"""Places pictures on sheets: a row per cell, or any axes as rows, columns and sheets."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from runner.analysis.grids.naming import Names, axes
from runner.analysis.grids.shots import CELL, PROMPT, SEED, CellShots, Shot, names_cell
from runner.errors import ConfigError
from runner.system.text import with_near

Place: TypeAlias = tuple[str | None, ...]
"""A value of each axis; None where a picture lacks the axis, as in a union of sweeps."""

NO_CELL = "not in the sweep"


@dataclass(frozen=True)
class Tile:
    """A picture and its caption.

    Attributes:
        end: of the caption; a long caption is cut before it.
        given: whether it is an input that others were made from; drawn with a frame.
        shape: height over width.
    """

    file: Path
    caption: str = ""
    end: str = ""
    given: bool = False
    shape: float = 1.0


@dataclass(frozen=True)
class Gap:
    """A place without a picture, and why."""

    why: str


@dataclass(frozen=True)
class Row:
    """A row of tiles, with its labels from the outer to the inner."""

    labels: tuple[str, ...]
    tiles: tuple[Tile | Gap, ...]


@dataclass(frozen=True)
class Sheet:
    """One contact sheet.

    Attributes:
        name: what distinguishes it from other sheets, for its title; "" if it is the only one.
        columns: the headings of each, from the outer to the inner; none where each tile has a
            caption of its own.
    """

    name: str
    columns: tuple[tuple[str, ...], ...]
    rows: tuple[Row, ...]


def texts_of(sheet: Sheet) -> Iterator[str]:
    """All that is written on a sheet."""
    yield from (sheet.name, *itertools.chain(*sheet.columns))
    for row in sheet.rows:
        yield from row.labels
        for tile in row.tiles:
            yield tile.why if isinstance(tile, Gap) else tile.caption + tile.end


def by_cell(cells: Sequence[CellShots], names: Names | None = None) -> Sheet:
    """A row per cell that has pictures: its input pictures, then its images with their prompts."""
    names = names or Names()
    rows = []
    for cell in cells:
        if not cell.shots:
            continue
        seeds = {shot.values[SEED] for shot in cell.shots}
        given = [Tile(file, name, given=True) for name, file in cell.inputs.items()]
        made = [
            Tile(shot.file, *_caption(shot, cell, len(seeds) > 1, names), shape=shot.shape)
            for shot in cell.shots
        ]
        said = [names.said(axis, v) for axis, v in cell.choice.items() if not names_cell(axis)]
        label = ", ".join(filter(None, [cell.label.strip(), *said]))
        rows.append(Row((label,), (*given, *made)))
    return Sheet("", (), tuple(rows))


def by_axes(
    cells: Sequence[CellShots],
    rows: Sequence[str],
    columns: Sequence[str],
    sheets: Sequence[str] = (),
    names: Names | None = None,
) -> list[Sheet]:
    """A row for each combination of values of some axes, a column for each one of others.

    Other axes that vary besides these go to separate sheets, so that no two pictures share a
    place. A place without a picture says why.

    Raises:
        ConfigError: no such axis; one is named twice; or rows and columns say the same.
    """
    names = names or Names()
    shots = [shot for cell in cells for shot in cell.shots]
    check_axes(shots, rows, columns, sheets)
    shown = [*rows, *columns]
    apart = list(sheets)
    for axis in axes(shots):
        if axis not in (*shown, *apart, CELL) and _varies(shots, axis, [*shown, *apart]):
            apart.append(axis)
    known = [shot.values for shot in shots] + [c.choice for c in cells if not c.shots]
    down, across = _places(known, rows), _places(known, columns)
    made = []
    for values in _places([shot.values for shot in shots], apart):
        here = {
            (_place(shot.values, rows), _place(shot.values, columns)): shot
            for shot in shots
            if _place(shot.values, apart) == values
        }
        sheet = dict(zip(apart, values, strict=True))
        lines = []
        for row in down:
            tiles: list[Tile | Gap] = []
            for column in across:
                shot = here.get((row, column))
                wanted = {**sheet, **dict(zip(shown, [*row, *column], strict=True))}
                tiles.append(
                    Gap(_why(cells, wanted)) if shot is None else Tile(shot.file, shape=shot.shape)
                )
            lines.append(Row(_said(rows, row, names), tuple(tiles)))
        name = ", ".join(filter(None, _said(apart, values, names)))
        headings = tuple(_said(columns, column, names) for column in across)
        made.append(Sheet(name, headings, tuple(lines)))
    return made


def check_axes(
    shots: Sequence[Shot],
    rows: Sequence[str],
    columns: Sequence[str],
    sheets: Sequence[str],
) -> None:
    """Check that sheets of these axes would show something. Raises ConfigError, see `by_axes`."""
    known = axes(shots)
    named = (("rows", rows), ("columns", columns), ("sheets", sheets))
    seen: dict[str, str] = {}
    for option, axis in ((option, axis) for option, chosen in named for axis in chosen):
        if axis not in known:
            raise ConfigError(
                option, axis, with_near("is no axis of these pictures", axis, known), known
            )
        if axis in seen:
            left = [a for a in known if a not in seen]
            raise ConfigError(option, axis, f"is named for {seen[axis]} already", left)
        seen[axis] = option
    if not rows or not columns:
        return
    pairs = _places([shot.values for shot in shots], [*rows, *columns])
    down, across = (_places([shot.values for shot in shots], side) for side in (rows, columns))
    if len(pairs) > 1 and len(pairs) == len(down) == len(across):
        said = " ".join(columns)
        problem = f"goes with {' '.join(rows)}: each row and each column would have one picture"
        raise ConfigError("columns", said, problem, [a for a in known if a not in seen])


def _varies(shots: Iterable[Shot], axis: str, within: Sequence[str]) -> bool:
    """Whether an axis has several values where the others have one."""
    found: dict[Place, str | None] = {}
    for shot in shots:
        place = _place(shot.values, within)
        if found.setdefault(place, shot.values.get(axis)) != shot.values.get(axis):
            return True
    return False


def _place(values: Mapping[str, str], by: Sequence[str]) -> Place:
    return tuple(values.get(axis) for axis in by)


def _places(known: Sequence[Mapping[str, str]], by: Sequence[str]) -> list[Place]:
    """The combinations of values that there are; of each axis in order of appearance, so that
    those with the same outer values stand together.
    """
    order: list[dict[str | None, int]] = []
    for axis in by:
        found = dict.fromkeys(values[axis] for values in known if axis in values)
        order.append({value: place for place, value in enumerate([*found, None])})
    # A cell that was not drawn has no prompt and no seed.
    combined = {
        _place(values, by)
        for values in known
        if PROMPT in values or all(axis in values for axis in by)
    }
    return sorted(
        combined, key=lambda place: [order[n].get(value, -1) for n, value in enumerate(place)]
    )


def _why(cells: Sequence[CellShots], wanted: Mapping[str, str | None]) -> str:
    """Why there is no picture of these values: its cell lacks it, or there is no such cell."""
    for cell in cells:
        choice = cell.choice
        if cell.lacks and all(choice[axis] == wanted.get(axis, choice[axis]) for axis in choice):
            return cell.lacks
    return NO_CELL


def _said(by: Sequence[str], place: Place, names: Names) -> tuple[str, ...]:
    pairs = zip(by, place, strict=True)
    return tuple("" if value is None else names.said(axis, value) for axis, value in pairs)


def _caption(shot: Shot, cell: CellShots, with_seed: bool, names: Names) -> tuple[str, str]:
    """A picture's prompt, unless the row's label says it, and its seed."""
    seed = f"seed {shot.values[SEED]}"
    prompt = names.renamed(shot.values[PROMPT])
    if prompt and cell.choice.get(PROMPT) == shot.values[PROMPT]:
        return "", seed if with_seed else ""
    if not prompt:
        return "", seed
    return (f"{prompt},", seed) if with_seed else (prompt, "")
