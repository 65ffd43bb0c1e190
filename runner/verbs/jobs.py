"""The jobs that Hydra calls with composed configs: one run, or the cells of a sweep."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from runner.config.cell import Cell
from runner.config.choices import Progress
from runner.config.cluster import Cluster
from runner.config.hydra.app import Swept
from runner.config.run_config import RunConfig

if TYPE_CHECKING:
    from runner.config.hydra.launcher import Objective


def run_sweep(cells: Sequence[Cell], cluster: Cluster | None) -> Swept:
    """Run a sweep. All cells are checked before the first model is loaded."""
    from runner.runs.prepare import prepare_sweep
    from runner.runs.sweep import execute_sweep

    sweep = prepare_sweep(cells)
    finished = execute_sweep(sweep, cluster)
    progress = sweep.runs[0].progress
    print(finished.summary, file=text_output(progress))
    folders = {
        cell.number: ended.folder for cell, ended in zip(sweep.cells, finished.cells, strict=True)
    }
    if any(run.report for run in sweep.runs):
        for folder in dict.fromkeys(folder.parent for folder in folders.values()):
            _tell(folder, progress)
    objectives: Mapping[int, Objective] = {
        cell.number: _objective(run.objective, folders[cell.number])
        for cell, run in zip(sweep.cells, sweep.runs, strict=True)
        if run.objective
    }
    return Swept(finished.status, objectives)


def run_one(run: RunConfig) -> int:
    # Imported here: `--cfg job` and errors of the config do not need it.
    from runner.runs.run import execute_run

    finished = execute_run(run)
    print(finished.summary, file=text_output(run.progress))
    return finished.status


def _objective(names: Sequence[str], folder: Path) -> Objective:
    """A cell's objective for the sweeper; NaN where it has not been measured."""
    from runner.analysis.results import read_results

    results = read_results(folder)
    (cell,) = results.cells
    values = [results.mean(cell, name) for name in names]
    told = [float("nan") if value is None else value for value in values]
    return told[0] if len(told) == 1 else told


def _tell(folder: Path, progress: Progress) -> None:
    """Write the comparison and the report; a failure is only a warning."""
    from runner.errors import RunnerError
    from runner.verbs import compare, report

    for verb in (compare, report):
        try:
            with contextlib.redirect_stdout(text_output(progress)):
                verb.main([str(folder)])
        except RunnerError as error:
            # The pictures are made; a failed page loses none of them.
            print(f"warning: no {verb.__name__.rpartition('.')[2]}: {error}", file=sys.stderr)


def text_output(progress: Progress) -> TextIO:
    """The stream for text: with `json` standard output is for other programs alone."""
    return {Progress.quiet: io.StringIO(), Progress.json: sys.stderr}.get(progress, sys.stdout)
