"""Hands all cells of a multirun over at once, where Hydra's basic launcher runs job after job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from runner.config.cells import CellResolver
from runner.config.cluster import Cluster
from runner.config.composing import CellComposer
from runner.config.problems import config_problem
from runner.config.run_config import RunConfig
from runner.errors import ComposeError, RunnerError

REPLACED = f"{BasicLauncher.__module__}.{BasicLauncher.__name__}"
SWEEP_JOB = "sweep_job"
"""The attribute of a task function that takes all cells."""


@dataclass(frozen=True)
class ComposedCell:
    """A cell of a sweep: its number, its own overrides, its config or what is wrong with that."""

    number: int
    overrides: tuple[str, ...]
    config: RunConfig | RunnerError


SweepJob = Callable[[Sequence[ComposedCell], Cluster | None], None]


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
        before = HydraConfig.instance().cfg
        try:
            sweep_job(list(self._composed(job_overrides, initial_job_idx)), self.cluster)
        finally:
            HydraConfig.instance().cfg = before
        done = [JobReturn(overrides=overrides) for overrides in job_overrides]
        for result in done:
            result.status = JobStatus.COMPLETED
            result.return_value = None
        return done

    def _composed(
        self, job_overrides: Sequence[Sequence[str]], first: int
    ) -> Iterator[ComposedCell]:
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
            yield ComposedCell(number, tuple(overrides), config)
