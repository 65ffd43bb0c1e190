"""Hands all cells of a multirun over at once, where Hydra's basic launcher runs job after job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from runner.config.composing import CellComposer

REPLACED = f"{BasicLauncher.__module__}.{BasicLauncher.__name__}"
SWEEP_JOB = "sweep_job"
"""The attribute of a task function that takes all cells."""


@dataclass(frozen=True)
class ComposedCell:
    """A cell of a sweep: its number, its own overrides, and its config, `hydra` node included, or
    why it cannot be composed.
    """

    number: int
    overrides: tuple[str, ...]
    config: DictConfig | Exception


SweepJob = Callable[[Sequence[ComposedCell]], None]


class CellLauncher(BasicLauncher):
    """Composes the cells and calls the task function's sweep job with them."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        sweep_job: SweepJob | None = getattr(self.task_function, SWEEP_JOB, None)
        if sweep_job is None:
            return super().launch(job_overrides, initial_job_idx)
        before = HydraConfig.instance().cfg
        try:
            sweep_job(list(self._composed(job_overrides, initial_job_idx)))
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
        composer = CellComposer(self.hydra_context.config_loader, self.config)
        for number, overrides in enumerate(job_overrides, start=first):
            config: DictConfig | Exception
            try:
                config = composer.compose(overrides, number)
            except (HydraException, OmegaConfBaseException) as error:
                config = error
            yield ComposedCell(number, tuple(overrides), config)
