"""Hands all cells of a multirun over at once, where Hydra's basic launcher runs job after job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from runner.config.cells import CellResolver
from runner.config.checks import checked_count
from runner.config.cluster import Cluster
from runner.config.composing import CellComposer
from runner.config.problems import config_problem
from runner.config.run_config import RunConfig
from runner.errors import ComposeError, ConfigError, RunnerError

REPLACED = f"{BasicLauncher.__module__}.{BasicLauncher.__name__}"
RAY = "hydra_plugins.kandinsky_runner.RayLauncher"
"""Hydra takes no launcher of another package; the class is registered by this name."""
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


@dataclass
class RayConfig:
    """`hydra/launcher=ray`: the stages of a sweep run in actors of Ray.

    Attributes:
        address: of a running cluster (`auto`, `ray://...`); null: one on this machine.
        workers: `auto` (as many as the cluster has room for) or a number.
        num_cpus, num_gpus: what each actor is given.
    """

    _target_: str = RAY
    address: str | None = None
    workers: Any = "auto"
    num_cpus: float = 1.0
    num_gpus: float = 0.0


class RayLauncher(CellLauncher):
    """As `CellLauncher`; the stages run in actors of Ray."""

    def __init__(
        self, address: str | None, workers: object, num_cpus: float, num_gpus: float
    ) -> None:
        super().__init__()
        self._asked = (address, workers, num_cpus, num_gpus)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        if find_spec("ray") is None:
            raise ConfigError(
                "hydra/launcher", "ray", "is not installed", "pip install 'kandinsky-runner[ray]'"
            )
        address, workers, cpus, gpus = self._asked
        for key, value in (("num_cpus", cpus), ("num_gpus", gpus)):
            if not 0 <= value < float("inf"):
                raise ConfigError(f"hydra.launcher.{key}", value, "is no share of a machine")
        count = checked_count("hydra.launcher.workers", workers, 4096)
        self.cluster = Cluster(address, count, cpus, gpus)
        return super().launch(job_overrides, initial_job_idx)
