"""Tells the best cells of a search: on the terminal, and in the sweep's MLflow run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.config.overrides import as_override, assigned
from runner.config.values import one_of
from runner.system.text import path_here

Best = tuple[Sequence[float], Mapping[str, Any]]
"""Objectives, and values by key."""


def tell_best(folder: Path, found: Sequence[Best]) -> None:
    """Name the cells of the best trials.

    Args:
        folder: of the sweep.
    """
    # Imported here, as only searches need it.
    from runner.analysis.comparison.logged import log
    from runner.analysis.reading import read_results
    from runner.analysis.results import CellResult

    results = read_results(folder)
    best: list[tuple[Sequence[float], CellResult]] = []
    for values, params in found:
        mine = [cell for cell in results.cells if _has(cell.overrides, params)]
        best += [(values, cell) for cell in mine[:1]]
        for cell in mine[:1]:
            print(f"  cell {cell.number}: {path_here(cell.folder)}/", file=sys.stderr)
    if best:
        tags = {"runner.best": "; ".join(f"cell {c.number}: {c.label}" for _, c in best)}
        names = _objectives(best[0][1].config.get("objective"))
        alone = len(best) == 1 and len(names) == len(best[0][0])
        told = dict(zip(names, best[0][0], strict=True)) if alone else {}
        log(results, (), tags=tags, metrics={f"best_{name}": v for name, v in told.items()})


def _objectives(said: object) -> list[str]:
    return [str(name) for name in said] if isinstance(said, list) else [str(said)]


def _has(overrides: Sequence[str], params: Mapping[str, Any]) -> bool:
    """Whether a cell has the values of a trial, however they are written."""
    own = assigned(overrides)
    return all(
        key in own and one_of(key, own[key], (str(value), as_override(value))) is not None
        for key, value in params.items()
    )
