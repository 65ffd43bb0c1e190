"""What a command that joins a sweep leaves unsaid is as in the sweep.

A record may have come from somebody else. So what is taken from it are names and values of what is
drawn and measured: no address that this machine's user has not named, and no code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from runner.config.axes import KEY as AXES
from runner.config.excluding import PROMPTS, is_said
from runner.config.hydra.single import alternatives
from runner.config.key_heads import head_of
from runner.config.measuring import baseline_of
from runner.config.output_dir import check_name
from runner.config.overrides import assigned, quoted
from runner.config.recorded import value_at
from runner.config.values import one_of
from runner.errors import ConfigError, RunnerError
from runner.planning.sweep_command import as_axes
from runner.recording.sweep_record import SweepRecord, manifests_of, named_sweep
from runner.runs.rerun import DRAWN
from runner.runs.sweep_axes import GROWS
from runner.system.files import expand_home
from runner.tracking.places import absolute_uri, is_named

TAKEN = {
    *DRAWN, *GROWS, "prompt_replace", "experiment", "question", "baseline", "objective", "bench",
    "warmup", "repeats", "cache", "tracking", "graphs",
}  # fmt: skip
TAKEN_OF_AXES = {"workers"}
"""Taken only where the sweep's cells differ in it: else it is this machine's matter."""
RANDOM = re.compile(r"\s*random\(")
PLAIN = re.compile(r"^'([\w.-]+)'$")
GROUPED = ("'", '"', "[", "{")
MULTIRUN = ("-m", "--multirun")


def with_unsaid(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments with what they leave unsaid of the sweep that `into` names.

    Returns:
        all arguments; and those of them that the sweep says, or adds its baseline to.

    Raises:
        ConfigError: there is no such sweep; or its cells differ in prompts or seeds, and none are
            said.
    """
    said = {key: value.strip("'\"") for key, value in assigned(arguments).items()}
    named = said.get("into", "null")
    if named == "null":
        return list(arguments), []
    output_dir = Path(expand_home(said.get("output_dir", "outputs"))).absolute()
    path, record = named_sweep(output_dir, named, "into")
    plain = {
        key.lstrip("+~").partition("@")[0]: value
        for keys, value in said.items()
        for key in keys.split(",")  # of values that change together
    }
    taken = list(_taken(record, plain, named, _task(path, record)))
    if RANDOM.match(plain.get("seeds", "")) and "name" not in plain:
        taken += _name(path, record)
    many = [] if {*arguments} & {*MULTIRUN} else ["-m"]
    compared = {} if "baseline" in plain else _baseline(path, record)
    given = [_with_baseline(argument, compared) for argument in arguments]
    return [*many, *given, *taken], [*(one for one in given if one not in arguments), *taken]


def _name(path: Path, record: SweepRecord) -> list[str]:
    """The name by which the sweep's random seeds were drawn and kept."""
    first = next(iter(manifests_of(path, record.cells).values()), None)
    return [] if first is None else [f"name={check_name(first.name)}"]


def _task(path: Path, record: SweepRecord) -> str | None:
    """The task of the sweep's first cell, which an experiment may say."""
    first = next(iter(manifests_of(path, record.cells[:1]).values()), None)
    found = value_at(first.config, "task.name") if first else None
    return found if isinstance(found, str) else None


def _baseline(path: Path, record: SweepRecord) -> Mapping[str, str]:
    """By axis, the value of the cell that the others of the sweep are compared with."""
    first = next(iter(manifests_of(path, record.cells[:1]).values()), None)
    found = assigned(baseline_of(first.config.get("baseline") if first else None))
    return {key: value for key, value in found.items() if key in record.axes}


def _with_baseline(argument: str, baseline: Mapping[str, str]) -> str:
    """A new value of an axis, and the baseline's beside it: that cell is there, and left alone."""
    key, _, value = argument.partition("=")
    other = baseline.get(key)
    value = PLAIN.sub(r"\1", value)  # from Python a text has quotes, which no option has
    if other is None or one_of(key, other, _values(key, value)) is not None:
        return argument
    if not other or ("," in other and not other.startswith(GROUPED)):
        other = quoted(other, key)
    return f"{key}={value},{other}"


def _taken(
    record: SweepRecord, pairs: Mapping[str, str], named: str, task: str | None
) -> Iterator[str]:
    """What the sweep says and `pairs` leave unsaid.

    Args:
        task: of the cells that name none.
    """
    said = {key for key, value in pairs.items() if (key, value) != (AXES, "null")}
    swept, other = PROMPTS & record.axes.keys(), PROMPTS & said - record.axes.keys()
    if swept and other:
        (axis, *_), (key, *_) = sorted(swept), sorted(other)
        problem = f"the cells of the sweep differ in {axis}, which further cells have to say"
        raise ConfigError(key, pairs[key], problem, f"{axis}=...,..., or a sweep of its own")
    cells = _concerned([assigned(cell.overrides) for cell in record.cells], record, pairs)
    tasks = [pairs.get("task", cell.get("task", task)) for cell in cells]
    own = [
        {k: v for k, v in cell.items() if _may_be_taken(k, v, said, of, record.axes)}
        for cell, of in zip(cells, tasks, strict=True)
    ]
    # Which keys are in `axes` that are said, their reader finds out.
    axes = [key for key in record.axes if AXES not in said and any(key in cell for cell in own)]
    fixed: dict[str, dict[str, None]] = {}
    for cell in own:
        for key, value in cell.items():
            if key not in record.axes and not (AXES in said and key in pairs[AXES]):
                fixed.setdefault(key, {})[value] = None
    for key, values in fixed.items():
        if len(values) > 1 and head_of(key) in GROWS:
            raise ConfigError(
                "into", named, f"its cells have several {key}, and this command says none",
                [f"{key}={value}" for value in values],
            )  # fmt: skip
        yield f"{key}={next(iter(values))}"
    there = list(dict.fromkeys(tuple(cell.get(key) for key in axes) for cell in own))
    columns = [list(dict.fromkeys(column)) for column in zip(*there, strict=True)]
    is_product = math.prod(map(len, columns)) == len(there)
    if not is_product or any(None in column for column in columns):
        yield as_axes(dict(zip(axes, values, strict=True)) for values in there)
        return
    for key, column in zip(axes, columns, strict=True):
        yield f"{key}={','.join(map(str, column))}"


def _concerned(
    cells: Sequence[Mapping[str, str]], record: SweepRecord, said: Mapping[str, str]
) -> Sequence[Mapping[str, str]]:
    """The cells that have one of the said values of each axis; all, where the values are new."""
    wanted = {axis: _values(axis, said[axis]) for axis in record.axes if axis in said}
    found = [
        cell
        for cell in cells
        if all(
            axis in cell and one_of(axis, cell[axis], values) is not None
            for axis, values in wanted.items()
        )
    ]
    return found or cells


def _values(key: str, written: str) -> list[str]:
    """The values of an axis, as they are written."""
    try:
        return [one.partition("=")[2] for one in alternatives(f"{key}={written}")]
    except RunnerError:  # its reader says what is wrong with it
        return [written]


def _may_be_taken(
    key: str, value: str, said: set[str], task: str | None, axes: Collection[str]
) -> bool:
    if is_said(key, said, task):
        return False
    if key == "tracking.uri":
        return is_named(absolute_uri(value.strip("'\"")))
    plain = "://" not in value and not key.endswith(".function")
    known = head_of(key) in TAKEN or (key in axes and key in TAKEN_OF_AXES)
    return known and plain and not key.startswith("~")
