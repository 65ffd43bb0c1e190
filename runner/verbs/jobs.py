"""The jobs that Hydra calls with composed configs: one run, or the cells of a sweep."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from runner.config.cell import Cell
from runner.config.choices import Progress
from runner.config.cluster import Cluster
from runner.config.hydra.app import Swept
from runner.config.hydra.search import best_params
from runner.config.run_config import RunConfig
from runner.system.credentials import strip_override
from runner.system.text import shell
from runner.verbs.best import tell_best

if TYPE_CHECKING:
    from runner.config.hydra.launcher import Objective

SWEEPER = ("hydra/sweeper=", "hydra.sweeper.")
MULTIRUN = ".hydra-multirun"
"""`hydra.sweep.dir` in the output folder."""


class SweepJob:
    """Runs the cells of one command: one sweep, also where they come in batches, as the trials of
    a search do.

    Args:
        arguments: of the command.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        self._began = time.time()
        self._folders: dict[Path, Path] = {}

    def __call__(self, cells: Sequence[Cell], cluster: Cluster | None) -> Swept:
        """Run some cells. All are checked before the first model is loaded."""
        from runner.runs.prepare import prepare_sweep
        from runner.runs.sweep import execute_sweep

        dirs = {cell.config.output_dir for cell in cells if isinstance(cell.config, RunConfig)}
        batch_of = self._folders.get(next(iter(dirs))) if len(dirs) == 1 else None
        sweep = prepare_sweep(cells, batch_of)
        run = sweep.runs[0]
        sweep = replace(sweep, typed=self._typed(run.tracking.uri))
        finished = execute_sweep(sweep, cluster)
        print(finished.summary, file=text_output(run.progress))
        folders = [ended.folder for ended in finished.cells]
        self._folders |= {
            own.output_dir: folder.parent for own, folder in zip(sweep.runs, folders, strict=True)
        }
        if any(own.report for own in sweep.runs):
            for folder in dict.fromkeys(folder.parent for folder in folders):
                _tell(folder, run.progress)
        # By the numbers of the command: in a sweep that is joined the cells have others.
        objectives: Mapping[int, Objective] = {
            cell.number_asked: _objective(own.objective, folder)
            for cell, own, folder in zip(sweep.cells, sweep.runs, folders, strict=True)
            if own.objective
        }
        return Swept(finished.status, objectives)

    def tell_best(self) -> None:
        """After a search, say which cell is the best one, and have MLflow show it."""
        for output_dir, folder in self._folders.items():
            best = best_params(output_dir / MULTIRUN, self._began)
            if best:
                tell_best(folder, best)

    def _typed(self, uri: str | None) -> str | None:
        if not any(text.startswith(SWEEPER) for text in self._arguments):
            return None
        said = (strip_override(text, uri) for text in self._arguments)
        return shell(["kandinsky", "run", *said])


def run_one(run: RunConfig) -> int:
    # Imported here: `--cfg job` and errors of the config do not need it.
    from runner.runs.run import execute_run

    finished = execute_run(run)
    print(finished.summary, file=text_output(run.progress))
    return finished.status


def _objective(names: Sequence[str], folder: Path) -> Objective:
    """A cell's objective for the sweeper; NaN where it has not been measured."""
    from runner.analysis.reading import read_results

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
