"""The data of the page, as lists of plain values.

Lists and positions, no mappings by names: an axis or a key called `__proto__` is then nothing
special to the page's script.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runner.analysis.costs import Better
from runner.analysis.report.settings import Group, Pairs


@dataclass(frozen=True)
class Axis:
    """An axis that pictures can be laid out by.

    Attributes:
        kind: prompt, seed, cell, or swept for a key of the config.
        numbers: its values as numbers, None for those that are not; empty where fewer
            than two are.
    """

    name: str
    kind: str
    values: tuple[str, ...]
    numbers: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class ImageFacts:
    """A picture.

    Attributes:
        at: its position on each axis.
        scores: by the page's metrics.
        inputs: names of its input pictures, and their positions in the page's `inputs`.
    """

    cell: int
    file: str
    at: tuple[int | None, ...]
    prompt: str
    negative_prompt: str | None
    seed: int
    height: int
    width: int
    sha256: str
    reused: bool
    scores: tuple[float | None, ...]
    inputs: tuple[tuple[str, int], ...]
    took: Pairs
    stage_keys: Pairs


@dataclass(frozen=True)
class CellFacts:
    """A cell.

    Attributes:
        path: of its folder, relative to the working directory where it is below it.
        choice: position in the values of each of the page's `swept`.
        means: of each of the page's metrics, over the pictures that have it, or the number of
            a metric of the whole cell.
        counts: how many pictures have it; 0 for a metric of the whole cell.
        against: position of the cell that it is compared with.
        changes: where its config differs from the page's `config`.
    """

    number: int
    label: str
    folder: str
    path: str
    status: str
    choice: tuple[int | None, ...]
    overrides: tuple[str, ...]
    images: int
    means: tuple[float | None, ...]
    counts: tuple[int, ...]
    against: int | None
    failures: tuple[tuple[str, str], ...]
    changes: Pairs
    mlflow_run: str | None


@dataclass(frozen=True)
class Facts:
    """All data of the page.

    Attributes:
        swept: the sweep's axes, for the table of cells.
        axes: what pictures can be laid out by, for the grid and the plots.
        metrics: their names, and whether higher or lower is better.
        inputs: files of the input pictures, each once.
        config: of the first cell, by dotted keys.
        unmeasured: that seconds were not measured, and why; None: they were.
        comparison: see `compared.describe_comparison`.
        outdated: whether pictures or numbers have changed since the comparison.
        within: comparisons within strata, see `compared.describe_within`.
        votes: see `compared.describe_votes`.
    """

    name: str
    question: str | None
    status: str
    started: str
    seconds: float | None
    command: str
    folder: str
    swept: tuple[Axis, ...]
    axes: tuple[Axis, ...]
    metrics: tuple[tuple[str, Better], ...]
    cells: tuple[CellFacts, ...]
    images: tuple[ImageFacts, ...]
    inputs: tuple[str, ...]
    config: Pairs
    environment: tuple[Group, ...]
    runs: Pairs
    unmeasured: str | None
    comparison: dict[str, Any] | None
    outdated: bool
    within: tuple[dict[str, Any], ...] = ()
    votes: dict[str, Any] | None = None
