"""The plan of a sweep: its cells planned together, so that equal stages become one node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from runner.config.cell import Cell
from runner.config.choices import CacheMode
from runner.config.overrides import assigned, shown_values
from runner.config.run_config import RunConfig
from runner.errors import ConfigError, RunnerError, SeveralError, SweepError, UnknownValueError
from runner.graph.graph import Graph
from runner.graph.node import Node
from runner.graph.stage_table import is_external
from runner.planning.alike import tell_same_cells
from runner.planning.baseline import compare_with_baselines
from runner.planning.plan import Plan
from runner.planning.planner import Planner
from runner.planning.sweep_command import command_of
from runner.system.machine import COMPARING, check_installed
from runner.system.preparing import Preparing
from runner.system.text import pluralize
from runner.weights.found import FoundCheckpoint, distinct

SHOWN_CELLS = 3
"""How many cells an error names that are wrong for the same reason."""


@dataclass(frozen=True)
class Joined:
    """The sweep that cells join.

    Attributes:
        path: its folder.
        attempts: by its record when the cells got their numbers: another number says that another
            command has changed it meanwhile.
        axes: its own, with the values of the cells that join as they were typed, and theirs.
        command: the one that was typed; "": a further batch of the same.
    """

    path: Path
    attempts: int
    axes: Mapping[str, tuple[str, ...]]
    command: str


@dataclass(frozen=True)
class SweepPlan:
    """All that a sweep will do, known before it starts: a plan for each cell, in order.

    Attributes:
        baselines: number of a compared cell -> number of its baseline.
        left_out: what is wrong -> the cells that are left out for that (`skip_invalid`); `cells`
            are the others, with their numbers among all.
        joined: the sweep that the cells join, whose numbers they have; None: one of their own.
        typed: the command, where its cells tell less than it does: of a search.
    """

    cells: tuple[Cell, ...]
    plans: tuple[Plan, ...]
    baselines: Mapping[int, int]
    left_out: Mapping[str, Sequence[Cell]] = field(default_factory=dict)
    joined: Joined | None = None
    typed: str | None = None

    @property
    def runs(self) -> list[RunConfig]:
        """The cells' configs."""
        return [cell.config for cell in self.cells if isinstance(cell.config, RunConfig)]

    @cached_property
    def graph(self) -> Graph:
        """All cells' graphs merged: each distinct stage once."""
        return Graph(()).merged(*(plan.graph for plan in self.plans))

    @cached_property
    def graphs(self) -> tuple[Graph, ...]:
        """The graphs that are run: one of all cells with cache=use, and one for each execution
        profile of the others, which share no results across profiles.
        """
        profiles: dict[object, list[Graph]] = {}
        for plan in self.plans:
            shared = plan.run.cache is CacheMode.use
            profiles.setdefault("shared" if shared else plan.profile, []).append(plan.graph)
        if len(profiles) == 1:
            return (self.graph,)
        return tuple(Graph(()).merged(*graphs) for graphs in profiles.values())

    @cached_property
    def axes(self) -> dict[str, tuple[str, ...]]:
        """Config key that differs between cells -> its values, in order of first appearance."""
        return dict(self.joined.axes) if self.joined else axes_of(self.cells)

    def part(self, numbers: Collection[int]) -> SweepPlan:
        """The plan of only some of the cells, by their numbers."""
        kept = [
            (cell, plan)
            for cell, plan in zip(self.cells, self.plans, strict=True)
            if cell.number in numbers
        ]
        here = set(numbers)
        baselines = {n: other for n, other in self.baselines.items() if {n, other} <= here}
        cells, plans = (cell for cell, _ in kept), (plan for _, plan in kept)
        return replace(self, cells=tuple(cells), plans=tuple(plans), baselines=baselines)

    def numbered(self, numbers: Sequence[int]) -> SweepPlan:
        """The same with other numbers of the cells."""
        new = dict(zip((cell.number for cell in self.cells), numbers, strict=True))
        cells = tuple(cell.numbered(new[cell.number]) for cell in self.cells)
        baselines = {new[own]: new[other] for own, other in self.baselines.items()}
        return replace(self, cells=cells, baselines=baselines)

    def label(self, cell: Cell) -> str:
        """The values that distinguish a cell from the others."""
        return label_of(cell.overrides, self.axes)

    def left_out_lines(self) -> list[str]:
        """Which cells are left out, and why; empty where none is."""
        if not self.left_out:
            return []
        count = sum(map(len, self.left_out.values()))
        of = pluralize(count + len(self.cells), "cell")
        return [f"{count} of {of} left out, as they cannot be", *_fault_lines(self.left_out)]

    @property
    def command(self) -> str:
        """The command that runs the sweep."""
        if self.joined:
            return self.joined.command
        return self.typed or command_of_cells(self.cells)

    @property
    def checkpoints(self) -> list[FoundCheckpoint]:
        """The checkpoints that the stages run on, each once."""
        return distinct(f for plan in self.plans for f in plan.weights.checkpoints.values())

    @cached_property
    def stages(self) -> Counter[str]:
        """Stage -> number of its nodes, summed over the cells without merging."""
        return Counter(node.stage for node in _run(plan.graph for plan in self.plans))

    @property
    def work(self) -> list[Node]:
        """The nodes that are run, each once for every graph that contains it."""
        return list(_run(self.graphs))

    @property
    def distinct_stages(self) -> Counter[str]:
        """Stage -> number of its distinct nodes."""
        return Counter(node.stage for node in self.work)


def axes_of(cells: Iterable[Cell]) -> dict[str, tuple[str, ...]]:
    """Config key that differs between cells -> its values, in order of first appearance."""
    values: dict[str, dict[str, None]] = {}
    for cell in cells:
        for key, value in assigned(cell.overrides).items():
            values.setdefault(key, {})[value] = None
    return {key: tuple(found) for key, found in values.items() if len(found) > 1}


def label_of(overrides: Iterable[str], axes: Mapping[str, Sequence[str]]) -> str:
    """A cell's values of the axes as they are shown: "scheduler=ddim prompt=a red circle"."""
    pairs = assigned(overrides)
    shown = {key: shown_values(values) for key, values in axes.items() if key in pairs}
    return " ".join(
        f"{key}={shown[key].get(value, value)}" for key, value in pairs.items() if key in shown
    )


def command_of_cells(cells: Sequence[Cell]) -> str:
    """The command that runs a sweep of these cells."""
    first = cells[0].config
    flags = first.flags if isinstance(first, RunConfig) else ()
    return command_of([cell.overrides for cell in cells], axes_of(cells), flags)


def _run(graphs: Iterable[Graph]) -> Iterator[Node]:
    """The nodes of graphs that are run: all but external ones."""
    return (node for graph in graphs for node in graph if not is_external(node))


def plan_sweep(
    cells: Sequence[Cell], joined: Joined | None = None, *, download: bool = False
) -> SweepPlan:
    """Plan every cell.

    Args:
        joined: the sweep that the cells join.
        download: fetch pictures that are not on disk.

    Raises:
        SweepError: some cells cannot be run, and `skip_invalid` does not leave them out; it names
            them all.
    """
    planner = Planner(download=download)
    planned: list[tuple[Cell, Plan]] = []
    faults: dict[str, list[Cell]] = {}
    slips = False
    runs = (cell.config for cell in cells if isinstance(cell.config, RunConfig))
    progress = next((run.progress.name for run in runs), "auto")
    preparing = Preparing("planning", len(cells), progress)
    for cell in cells:
        preparing.step()
        try:
            if isinstance(cell.config, RunnerError):
                raise cell.config
            if cell.config.report:
                check_installed("report", "true", COMPARING, "report=false")
            planned.append((cell, planner.plan(cell.config)))
        except RunnerError as error:
            faults.setdefault(str(error), []).append(cell)
            # What else there is: names that do not exist.
            is_slip = isinstance(error, UnknownValueError)
            slips = slips or is_slip or not isinstance(error, ConfigError | SeveralError)
    left, plans = [cell for cell, _ in planned], [plan for _, plan in planned]
    left_out: dict[str, list[Cell]] = {}
    if left and not slips and all(plan.run.skip_invalid for plan in plans):
        left_out, faults = faults, {}
    baselines: dict[int, int] = {}
    if not faults:
        plans, baselines, faults = compare_with_baselines(left, plans, planner.nodes_of)
    if faults:
        raise _sweep_error(faults, len(cells))
    told = tuple(tell_same_cells(left, plans))
    return SweepPlan(tuple(left), told, baselines, left_out, joined)


def _sweep_error(faults: Mapping[str, Sequence[Cell]], cells: int) -> SweepError:
    wrong = sum(map(len, faults.values()))
    first = f"{wrong} of {pluralize(cells, 'cell')} cannot be run, so none was begun"
    return SweepError("\n".join([first, *_fault_lines(faults)]))


def _fault_lines(faults: Mapping[str, Sequence[Cell]]) -> Iterator[str]:
    for message, having in faults.items():
        yield f"  {_named(having)}"
        yield from (f"    {line}" for line in message.splitlines())


def _named(cells: Sequence[Cell]) -> str:
    names = [f"{cell.number} ({' '.join(cell.overrides)})" for cell in cells[:SHOWN_CELLS]]
    more = f" and {len(cells) - SHOWN_CELLS} more" if len(cells) > SHOWN_CELLS else ""
    return f"{'cell' if len(cells) == 1 else 'cells'} {', '.join(names)}{more}:"
