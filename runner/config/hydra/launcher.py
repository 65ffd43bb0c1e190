"""Hands all cells of a multirun over at once, where Hydra's basic launcher runs job after job."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf import ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runner.config.cell import Cell
from runner.config.cluster import Cluster
from runner.config.hydra.cells import CellResolver
from runner.config.hydra.composing import CellComposer
from runner.config.hydra.problems import config_problem
from runner.config.run_config import RunConfig
from runner.errors import ComposeError, RunnerError

REPLACED = f"{BasicLauncher.__module__}.{BasicLauncher.__name__}"
SWEEP_JOB = "sweep_job"
"""The attribute of a task function that takes all cells."""


Objective: TypeAlias = "float | list[float] | None"
"""What a sweeper is told of a cell."""

SweepJob = Callable[[Sequence[Cell], Cluster | None], Mapping[int, Objective]]
"""Returns the cells' objectives, by number."""


class CellLauncher(BasicLauncher):
    """Composes the cells and calls the task function's sweep job with them."""

    cluster: Cluster | None = None
    """Where their stages run, if not on this machine."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        sweep_job: SweepJob | None = getattr(self.task_function, SWEEP_JOB, None)
        if sweep_job is None:
            return super().launch(job_overrides, initial_job_idx)
        # Some sweepers write their results there, and none but Hydra's own makes it.
        assert self.config is not None
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        before = HydraConfig.instance().cfg
        try:
            cells = list(self._composed(job_overrides, initial_job_idx))
            objectives = sweep_job(cells, self.cluster)
        finally:
            HydraConfig.instance().cfg = before
        done = [JobReturn(overrides=overrides) for overrides in job_overrides]
        for number, result in enumerate(done, start=initial_job_idx):
            result.status = JobStatus.COMPLETED
            result.return_value = self._told(objectives.get(number))
        return done

    def _told(self, objective: Objective) -> Objective:
        """Numbers that a sweeper can go on with: what failed is as bad as can be.

        NaN, and a failed job too, would end Optuna's search.
        """
        assert self.config is not None
        direction = OmegaConf.select(self.config, "hydra.sweeper.direction")
        if objective is None or direction is None:
            return objective
        values = objective if isinstance(objective, list) else [objective]
        directions = direction if isinstance(direction, ListConfig) else [direction]
        told = [
            (-math.inf if "max" in str(way).lower() else math.inf) if math.isnan(value) else value
            for value, way in zip(values, directions, strict=False)
        ]
        return told if isinstance(objective, list) else told[0]

    def _composed(self, job_overrides: Sequence[Sequence[str]], first: int) -> Iterator[Cell]:
        assert self.hydra_context is not None
        assert self.config is not None
        cells = CellResolver(CellComposer(self.hydra_context.config_loader, self.config))
        for number, overrides in enumerate(job_overrides, start=first):
            config: RunConfig | RunnerError
            try:
                config = cells.resolve(overrides, number)
            except (HydraException, OmegaConfBaseException) as error:
                config = ComposeError(config_problem(error))
            except RunnerError as error:
                config = error
            # Those of a config hold no credentials.
            shown = config.overrides if isinstance(config, RunConfig) else tuple(overrides)
            yield Cell(number, shown, config)
