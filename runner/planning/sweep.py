"""The cells of a multirun, planned together: one graph, in which equal stages are one node."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from runner.config.cell import Cell
from runner.config.choices import CacheMode
from runner.config.overrides import assigned
from runner.config.run_config import RunConfig
from runner.errors import RunnerError, SweepError
from runner.graph.graph import Graph
from runner.graph.node import Node
from runner.graph.stage_table import is_external
from runner.planning.baseline import compare_with_baselines
from runner.planning.plan import Plan
from runner.planning.planner import Planner
from runner.system.machine import COMPARING, check_installed
from runner.system.text import pluralize
from runner.weights.find import FoundCheckpoint

SHOWN_CELLS = 3
"""Of cells that are wrong for the same reason, how many are named."""


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep will do, complete before it begins: a plan for each cell, in order.

    Attributes:
        baselines: numbers of the cells that are compared with another -> that one's.
    """

    cells: tuple[Cell, ...]
    plans: tuple[Plan, ...]
    baselines: Mapping[int, int]

    @property
    def runs(self) -> list[RunConfig]:
        """The cells' configs."""
        return [cell.config for cell in self.cells if isinstance(cell.config, RunConfig)]

    @cached_property
    def graph(self) -> Graph:
        """All cells' graphs as one: each distinct stage once."""
        return Graph(()).merged(*(plan.graph for plan in self.plans))

    @cached_property
    def graphs(self) -> tuple[Graph, ...]:
        """What is run: where results are not taken from the store, cells of different profiles
        share none, and each profile has a graph of its own.
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
        """The keys that differ between cells, each with its values in order of first sight."""
        values: dict[str, dict[str, None]] = {}
        for cell in self.cells:
            for key, value in assigned(cell.overrides).items():
                values.setdefault(key, {})[value] = None
        return {key: tuple(found) for key, found in values.items() if len(found) > 1}

    def part(self, numbers: Collection[int]) -> SweepPlan:
        """The same for some of the cells alone, by their numbers."""
        kept = [
            (cell, plan)
            for cell, plan in zip(self.cells, self.plans, strict=True)
            if cell.number in numbers
        ]
        baselines = {own: other for own, other in self.baselines.items() if other in numbers}
        cells, plans = (cell for cell, _ in kept), (plan for _, plan in kept)
        return SweepPlan(tuple(cells), tuple(plans), baselines)

    def label(self, cell: Cell) -> str:
        """What sets a cell apart from the others."""
        axes = self.axes
        return " ".join(o for o in cell.overrides if o.partition("=")[0] in axes)

    @property
    def command(self) -> str:
        """What runs the sweep, where its cells are all combinations of the axes."""
        axes = self.axes
        fixed = [o for o in self.cells[0].overrides if o.partition("=")[0] not in axes]
        swept = [f"{key}={','.join(values)}" for key, values in axes.items()]
        return shlex.join(["kandinsky", "run", "-m", *fixed, *swept])

    @property
    def checkpoints(self) -> dict[str, FoundCheckpoint]:
        """By identity, those that the stages run on."""
        return {f.identity: f for plan in self.plans for f in plan.weights.checkpoints.values()}

    @cached_property
    def stages(self) -> Counter[str]:
        """Stage -> how many nodes the cells have of it, each counted for itself."""
        return Counter(node.stage for node in _run(plan.graph for plan in self.plans))

    @property
    def work(self) -> list[Node]:
        """The nodes that are run, each once for every graph that it is in."""
        return list(_run(self.graphs))

    @property
    def distinct_stages(self) -> Counter[str]:
        """Stage -> how many distinct nodes there are of it."""
        return Counter(node.stage for node in self.work)


def _run(graphs: Iterable[Graph]) -> Iterator[Node]:
    """Without pictures that are lent, for which nothing is run."""
    return (node for graph in graphs for node in graph if not is_external(node))


def plan_sweep(cells: Sequence[Cell], *, download: bool = False) -> SweepPlan:
    """Plan every cell.

    Args:
        download: fetch what is not on disk, once all cells are found to be right.

    Raises:
        SweepError: some cannot be run; names them all.
    """
    sweep = _planned(cells, download=False)
    if download and any(found.checked is None for found in sweep.checkpoints.values()):
        return _planned(cells, download=True)
    return sweep


def _planned(cells: Sequence[Cell], *, download: bool) -> SweepPlan:
    planner = Planner(download=download)
    plans: list[Plan] = []
    faults: dict[str, list[Cell]] = {}
    for cell in cells:
        try:
            if isinstance(cell.config, RunnerError):
                raise cell.config
            if cell.config.report:
                check_installed("report", "true", COMPARING, "report=false")
            plans.append(planner.plan(cell.config))
        except RunnerError as error:
            faults.setdefault(str(error), []).append(cell)
    baselines: dict[int, int] = {}
    if not faults:
        plans, baselines, faults = compare_with_baselines(cells, plans, planner.nodes_of)
    if faults:
        raise _sweep_error(faults, len(cells))
    return SweepPlan(tuple(cells), tuple(plans), baselines)


def _sweep_error(faults: Mapping[str, Sequence[Cell]], cells: int) -> SweepError:
    wrong = sum(map(len, faults.values()))
    lines = [f"{wrong} of {pluralize(cells, 'cell')} cannot be run, so none was begun"]
    for message, having in faults.items():
        lines += [f"  {_named(having)}", *(f"    {line}" for line in message.splitlines())]
    return SweepError("\n".join(lines))


def _named(cells: Sequence[Cell]) -> str:
    names = [f"{cell.number} ({' '.join(cell.overrides)})" for cell in cells[:SHOWN_CELLS]]
    more = f" and {len(cells) - SHOWN_CELLS} more" if len(cells) > SHOWN_CELLS else ""
    return f"{'cell' if len(cells) == 1 else 'cells'} {', '.join(names)}{more}:"
