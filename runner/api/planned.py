"""What a sweep would do, for a program and a notebook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import overload

from runner.api import html
from runner.config.overrides import assigned, shown_value, shown_values
from runner.graph.graph import Graph
from runner.planning.plan import Plan
from runner.planning.sweep import SweepPlan
from runner.runs.forecast import Forecast, StageCount
from runner.runs.plan_text import estimate_text, headline, sweep_text
from runner.system.text import format_bytes, pluralize


@dataclass(frozen=True)
class PlannedSweep(Sequence[Plan]):
    """What `sweep` with the same arguments would do: the sequence of the plans of its cells.

    `print` shows what `kandinsky plan -m` does; a notebook shows tables.

    Attributes:
        planned: the cells, their plans and their merged graph.
        forecast: what is stored, and how long the rest takes by earlier runs.
        unreached: why the hub could not be asked about weights that are not on disk; None: it was,
            or need not be.
    """

    planned: SweepPlan = field(repr=False)
    forecast: Forecast = field(repr=False)
    unreached: str | None = None

    @property
    def axes(self) -> dict[str, tuple[str, ...]]:
        """The keys that differ between cells, each with its values, as texts."""
        return {key: tuple(shown_values(own).values()) for key, own in self.planned.axes.items()}

    @property
    def cells(self) -> dict[int, str]:
        """Number of a cell -> its values of the axes: "scheduler=ddim decoder.guidance_scale=1"."""
        return {cell.number: self.planned.label(cell) for cell in self.planned.cells}

    @property
    def left_out(self) -> tuple[str, ...]:
        """Which cells `skip_invalid` leaves out, and why, as lines of text."""
        return tuple(self.planned.left_out_lines())

    @property
    def graph(self) -> Graph:
        """All cells' stages, each distinct one once."""
        return self.planned.graph

    @property
    def stages(self) -> Mapping[str, StageCount]:
        """Stage -> how many nodes it has in all cells, how many distinct ones, and how many of
        these are stored.
        """
        return self.forecast.stages

    @property
    def images(self) -> int:
        """How many images it makes."""
        return sum(len(plan.images) for plan in self.planned.plans)

    @property
    def seconds(self) -> float | None:
        """A guess at the time of the stages that are not stored, in one process, models' loading
        besides; None where no stage of these kinds was run here before.
        """
        guess = self.forecast.estimate
        return None if guess.nodes and guess.unknown == guess.nodes else guess.seconds

    @cached_property
    def weights_gb(self) -> float:
        """Size of the checkpoints that it reads or downloads, in 10^9 bytes; of random ones 0."""
        found = self.planned.checkpoints
        return sum((f.checked.bytes if f.checked else f.missing_bytes) for f in found) / 1e9

    @property
    def warnings(self) -> dict[str, int]:
        """What the user should know -> the number of cells that it is said of."""
        told = Counter(warning for plan in self.planned.plans for warning in plan.warnings)
        return dict(told)

    @overload
    def __getitem__(self, index: int) -> Plan: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Plan, ...]: ...
    def __getitem__(self, index: int | slice) -> Plan | tuple[Plan, ...]:
        return self.planned.plans[index]

    def __len__(self) -> int:
        return len(self.planned.plans)

    def __str__(self) -> str:
        """What `kandinsky plan -m` prints."""
        told = sweep_text(self.planned, self.forecast)
        return f"{told}\n{self._unreached}" if self._unreached else told

    def __repr__(self) -> str:
        distinct = sum(count.distinct for count in self.stages.values())
        stored = sum(count.stored for count in self.stages.values())
        stages = f"{pluralize(distinct, 'distinct stage')}, {stored} stored"
        return f"<PlannedSweep: {headline(self.planned)}, {stages}>"

    def _repr_html_(self) -> str:
        axes = list(self.axes)
        shown = {key: shown_values(values) for key, values in self.planned.axes.items()}
        cells = []
        for cell, plan in zip(self.planned.cells, self.planned.plans, strict=True):
            own = assigned(cell.overrides)
            values = [shown[axis].get(v := own.get(axis, ""), shown_value(v)) for axis in axes]
            cells.append([str(cell.number), *values, str(len(plan.images))])
        stages = [
            [stage, str(count.nodes), str(count.distinct), str(count.stored)]
            for stage, count in self.stages.items()
        ]
        notes = [f"warning, {pluralize(n, 'cell')}: {text}" for text, n in self.warnings.items()]
        guess = estimate_text(self.forecast.estimate, self.forecast.workers)
        weights = f"weights: {format_bytes(round(self.weights_gb * 1e9))}"
        told = (f"time: {guess}", weights, *notes, *self.left_out, self._unreached)
        return html.titled(
            repr(self),
            html.plain_table(["cell", *axes, "images"], cells, "cell")
            + html.plain_table(["stage", "in all cells", "distinct", "stored"], stages, "stage")
            + html.notes(filter(None, told)),
        )

    @property
    def _unreached(self) -> str:
        return f"weights that are not on disk {self.unreached}" if self.unreached else ""
