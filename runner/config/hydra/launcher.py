"""Launches all cells of a multirun together; Hydra's basic launcher runs one job after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.types import TaskFunction
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runner.config.cell import Cell
from runner.config.cluster import Cluster
from runner.config.hydra.arguments import behind_lists, one_value
from runner.config.hydra.cells import CellResolver
from runner.config.hydra.composing import CellComposer
from runner.config.hydra.elsewhere import PLUGINS
from runner.config.hydra.expanding import completed
from runner.config.hydra.problems import config_problem
from runner.config.hydra.sweeper import axes_of
from runner.config.run_config import RunConfig
from runner.errors import ComposeError, ConfigError, RunnerError
from runner.system.preparing import Preparing

SWEEP_JOB = "sweep_job"
"""The attribute of a task function that holds the job for all cells."""

SWEEP_DIR = "sweep_dir"
"""The attribute of a task function that gets the multirun's folder, once cells are launched."""

Objective: TypeAlias = "float | list[float] | None"
"""A cell's objective: one number or several; None: the config names none."""

SweepJob = Callable[[Sequence[Cell], Cluster | None], Mapping[int, Objective]]
"""Returns the cells' objectives, by number."""


def launch_cells(
    task_function: TaskFunction,
    loader: ConfigLoader,
    master: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    first: int,
    cluster: Cluster | None,
) -> list[JobReturn]:
    """Compose the cells and call the task function's sweep job with all, invalid ones too.

    Args:
        master: the config of the sweep itself.
        job_overrides: of each cell.
        first: number of the first cell.
        cluster: where their stages run; None: on this machine.
    """
    sweep_job: SweepJob = getattr(task_function, SWEEP_JOB)
    # Some sweepers write results there, and only the runner's and Hydra's create it.
    folder = Path(str(master.hydra.sweep.dir))
    folder.mkdir(parents=True, exist_ok=True)
    setattr(task_function, SWEEP_DIR, folder)
    before = HydraConfig.instance().cfg
    try:
        _check_axes(master)
        cells = _composed(loader, master, job_overrides, first)
        _check_objectives(cells, master)
        objectives = dict(sweep_job(cells, cluster))
        if _directions(master) and not objectives and len(cells) > 1:
            # One that cannot be run keeps the others of its batch from being begun.
            for cell in cells:
                objectives |= sweep_job([cell], cluster)
    finally:
        HydraConfig.instance().cfg = before
    done = [JobReturn(overrides=overrides) for overrides in job_overrides]
    for number, result in enumerate(done, start=first):
        result.status = JobStatus.COMPLETED
        result.return_value = _told(objectives.get(number), master)
    return done


def _told(objective: Objective, master: DictConfig) -> Objective:
    """Objectives that a sweeper can go on with: a failed cell gets the worst value.

    NaN, and a failed job too, would end Optuna's search.
    """
    directions = _directions(master)
    if not directions:
        return objective
    given = [math.nan] * len(directions) if objective is None else objective
    values = given if isinstance(given, list) else [given]
    told = [
        (-math.inf if "max" in way.lower() else math.inf) if math.isnan(value) else value
        for value, way in zip(values, directions, strict=False)
    ]
    return told if len(directions) > 1 else told[0]


def _directions(master: DictConfig) -> list[str]:
    """What an optimising sweeper wants of each objective; empty for other sweepers."""
    direction = OmegaConf.select(master, "hydra.sweeper.direction")
    if direction is None:
        return []
    return [str(way) for way in (direction if isinstance(direction, ListConfig) else [direction])]


def _check_objectives(cells: Sequence[Cell], master: DictConfig) -> None:
    """Raise ConfigError where a search has not one objective for each direction."""
    wanted = len(_directions(master))
    for cell in cells if wanted else ():
        if isinstance(cell.config, RunConfig) and len(cell.config.objective) != wanted:
            names = list(cell.config.objective) or None
            problem = f"a search in {wanted} directions has {wanted} of them"
            problem = "a search needs one" if wanted == 1 else problem
            raise ConfigError("objective", names, problem, "a metric, or a list of them")


def _check_axes(master: DictConfig) -> None:
    """Raise ConfigError where there are `axes`, and another sweeper chooses the cells."""
    sweeper = str(OmegaConf.select(master, "hydra.sweeper._target_"))
    axes = axes_of(master)
    if axes is not None and not sweeper.startswith(PLUGINS):
        chosen = master.hydra.runtime.choices.get("hydra/sweeper")
        problem = f"says the cells, and hydra/sweeper={chosen} chooses them by itself"
        raise ConfigError("axes", axes, problem, "axes=null, or hydra/sweeper=cells")


def _composed(
    loader: ConfigLoader, master: DictConfig, job_overrides: Sequence[Sequence[str]], first: int
) -> list[Cell]:
    resolver = CellResolver(CellComposer(loader, master))
    cells = []
    progress = str(OmegaConf.select(master, "progress"))
    preparing = Preparing("reading configs", len(job_overrides), progress)
    for number, given in enumerate(job_overrides, start=first):
        overrides = [one_value(override) for override in given]
        config: RunConfig | RunnerError
        try:
            overrides = behind_lists(overrides)
            config = resolver.resolve(overrides, number)
        except (HydraException, OmegaConfBaseException) as error:
            config = ComposeError(config_problem(error))
        except RunnerError as error:
            config = error
        # A config's own overrides hold no credentials.
        shown = config.overrides if isinstance(config, RunConfig) else tuple(overrides)
        cells.append(Cell(number, shown, config))
        preparing.step()
    return completed(cells, resolver.lacking)
