"""Several sweeps looked at as one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from runner.analysis.reading import read_results
from runner.analysis.results import CellResult, SweepResult
from runner.config.key_heads import OF_NO_PICTURE, head_of
from runner.config.overrides import assigned, shown_value
from runner.config.recorded import typed_at, value_at
from runner.config.values import one_of
from runner.errors import ConfigError
from runner.system.files import fit_name
from runner.system.text import flatten
from runner.tracking.status import status_of_all

SWEEP_AXIS = "sweep"
APART = OF_NO_PICTURE | {"experiment"}
"""Keys, and groups, in which sweeps may differ without being different settings."""


def read_all(folders: Sequence[Path]) -> list[SweepResult]:
    """Read some folders of sweeps or runs.

    Raises:
        ConfigError: a folder is none of a sweep or a run, or is named twice.
    """
    known = set()
    for folder in folders:
        where = folder.resolve()
        if where in known:
            raise ConfigError("folder", folder, "is named twice", "each sweep once")
        known.add(where)
    # What does not exist is told as it was named.
    return [read_results(each.resolve() if each.exists() else each) for each in folders]


def combined(sweeps: Sequence[SweepResult]) -> SweepResult:
    """Several sweeps as one, in the folder of the first, with its baseline.

    Its axes are what cells of any of them differ in, by what was typed; a cell has the value of
    its config where its sweep does not vary the axis. Where two sweeps have a cell of the same
    values, `sweep` is an axis too: pictures are then paired within a sweep.
    """
    typed = [assigned(cell.overrides) for sweep in sweeps for cell in sweep.cells]
    keys = dict.fromkeys(key for sweep in sweeps for key in sweep.axes)
    keys |= dict.fromkeys(key for pairs in typed for key in pairs if not _is_apart(key))
    values = {key: _values(sweeps, key) for key in keys}
    axes = {key: found for key, found in values.items() if len(found) > 1}
    choices = [
        [
            {
                axis: value if (alike := one_of(axis, value, values)) is None else alike
                for axis, values in axes.items()
                if (value := value_of(cell, axis)) is not None
            }
            for cell in sweep.cells
        ]
        for sweep in sweeps
    ]
    counts = Counter(own for made in choices for own in {tuple(choice.items()) for choice in made})
    if any(count > 1 for count in counts.values()):
        labels = labels_of([sweep.folder for sweep in sweeps])
        axes = {SWEEP_AXIS: labels, **axes}
        choices = [
            [{SWEEP_AXIS: label, **choice} for choice in made]
            for label, made in zip(labels, choices, strict=True)
        ]
    cells = [
        replace(cell, choice=choice)
        for sweep, made in zip(sweeps, choices, strict=True)
        for cell, choice in zip(sweep.cells, made, strict=True)
    ]
    numbered = tuple(replace(cell, number=number) for number, cell in enumerate(cells))
    name = " and ".join(labels_of([sweep.folder for sweep in sweeps]))
    status = status_of_all(sweep.status for sweep in sweeps)
    return replace(
        sweeps[0], name=name, status=status, axes=axes,
        cells=numbered, command="", seconds=None, runs={}, sweeps=len(sweeps),
    )  # fmt: skip


def hidden_differences(sweeps: Sequence[SweepResult], axes: Iterable[str]) -> list[str]:
    """Keys whose values differ between sweeps, though they are no axis of all of them together.

    Keys of a group that is an axis are that axis's.
    """
    known = tuple(axes)
    values: list[dict[str, set[str]]] = []
    for sweep in sweeps:
        own: dict[str, set[str]] = {}
        for cell in sweep.cells:
            for key, value in flatten(cell.config).items():
                own.setdefault(key, set()).add(value)
        values.append(own)
    return [
        key
        for key in dict.fromkeys(key for own in values for key in own)
        if not _is_apart(key)
        and not any(key == axis or key.startswith(f"{axis}.") for axis in known)
        and key not in ("prompt", "seeds", "prompt_file", "task.prompt")
        and any(own and own.get(key) != values[0].get(key) for own in values)
    ]


def labels_of(folders: Sequence[Path]) -> list[str]:
    """The last two names of each folder; whole paths where two of these are the same."""
    short = ["/".join(folder.parts[-2:]) for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]


def folder_named(*parts: str) -> str:
    """A folder's name from parts that users wrote, safe and not too long."""
    return fit_name("-".join(re.sub(r"[^\w.=]+", "_", part) for part in parts))


def value_of(cell: CellResult, axis: str) -> str | None:
    """A cell's value of an axis, as typed; of an axis of other sweeps, what its config says."""
    typed = assigned(cell.overrides)
    if axis in cell.choice or axis in typed:
        return cell.choice[axis] if axis in cell.choice else typed[axis]
    if value_at(cell.config, axis) is None:
        return None
    found = typed_at(cell.config, axis)
    return None if found is None else shown_value(found)


def _values(sweeps: Sequence[SweepResult], axis: str) -> list[str]:
    found = dict.fromkeys(v for sweep in sweeps for v in sweep.axes.get(axis, ()))
    of_cells = (value_of(cell, axis) for sweep in sweeps for cell in sweep.cells)
    values: list[str] = []
    for value in found | dict.fromkeys(value for value in of_cells if value is not None):
        if one_of(axis, value, values) is None:
            values.append(value)
    return values


def _is_apart(key: str) -> bool:
    return head_of(key) in APART
