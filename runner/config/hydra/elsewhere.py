"""Launchers whose stages run elsewhere: `hydra/launcher=ray` and `hydra/launcher=submitit`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from math import inf
from typing import Any

from hydra.core.utils import JobReturn

from runner.config.checks import checked_count
from runner.config.cluster import Batch, Cluster, RayCluster
from runner.config.hydra.launcher import CellLauncher
from runner.errors import ConfigError

PLUGINS = "hydra_plugins.kandinsky_runner"
"""Hydra takes no launcher of another package; the classes are registered by such names."""
MOST = 4096


@dataclass
class RayConfig:
    """The stages of a sweep run in actors of Ray.

    Attributes:
        address: of a running cluster (`auto`, `ray://...`); null: one on this machine.
        workers: `auto` (as many as the cluster has room for) or a number.
        num_cpus, num_gpus: what each actor is given.
    """

    _target_: str = f"{PLUGINS}.RayLauncher"
    address: str | None = None
    workers: Any = "auto"
    num_cpus: float = 1.0
    num_gpus: float = 0.0


@dataclass
class SubmititConfig:
    """The stages of a sweep run in jobs of a batch system.

    Attributes:
        cluster: `slurm`, or `local` for processes of this machine.
        workers: how many jobs.
        host: by which name the jobs reach this machine; null: the one it has for itself.
        timeout_min: of each job; one that ends is submitted anew while there is work.
        parameters: further ones, by submitit's names.
    """

    _target_: str = f"{PLUGINS}.SubmititLauncher"
    cluster: str = "slurm"
    workers: Any = 1
    host: str | None = None
    timeout_min: int = 60
    partition: str | None = None
    cpus_per_task: int | None = None
    gpus_per_node: int | None = None
    mem_gb: float | None = None
    parameters: dict[str, Any] = field(default_factory=dict)


class ElsewhereLauncher(CellLauncher):
    """As `CellLauncher`; the stages run where a package can reach."""

    package: str

    def __init__(self, **asked: Any) -> None:
        super().__init__()
        self._asked = asked

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        if find_spec(self.package) is None:
            allowed = f"pip install 'kandinsky-runner[{self.package}]'"
            raise ConfigError("hydra/launcher", self.package, "is not installed", allowed)
        self.cluster = self.checked()
        return super().launch(job_overrides, initial_job_idx)

    @abstractmethod
    def checked(self) -> Cluster:
        """Raises ConfigError where a setting makes no sense."""


class RayLauncher(ElsewhereLauncher):
    """In actors of Ray."""

    package = "ray"

    def checked(self) -> RayCluster:
        asked = self._asked
        for key in ("num_cpus", "num_gpus"):
            if not 0 <= asked[key] < inf:
                raise ConfigError(f"hydra.launcher.{key}", asked[key], "is no share of a machine")
        count = checked_count("hydra.launcher.workers", asked["workers"], MOST)
        return RayCluster(asked["address"], count, asked["num_cpus"], asked["num_gpus"])


class SubmititLauncher(ElsewhereLauncher):
    """In jobs of a batch system."""

    package = "submitit"

    def checked(self) -> Batch:
        asked = dict(self._asked)
        if asked["cluster"] not in ("slurm", "local"):
            raise ConfigError(
                "hydra.launcher.cluster", asked["cluster"], "is unknown", ("slurm", "local")
            )
        count = checked_count("hydra.launcher.workers", asked.pop("workers"), MOST)
        if count is None:
            raise ConfigError("hydra.launcher.workers", "auto", "cannot be told here", "a number")
        if asked["timeout_min"] < 1:
            raise ConfigError(
                "hydra.launcher.timeout_min", asked["timeout_min"], "is no time", "1 or more"
            )
        return Batch(workers=count, **asked)


LAUNCHERS: tuple[tuple[Any, type[ElsewhereLauncher]], ...] = (
    (RayConfig, RayLauncher),
    (SubmititConfig, SubmititLauncher),
)
"""Settings and classes of the options of `hydra/launcher`, which are named after packages."""
