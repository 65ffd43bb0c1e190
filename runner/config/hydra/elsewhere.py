"""Launchers that run stages on other machines: `hydra/launcher=ray` and `=submitit`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from math import inf
from typing import Any

from runner.config.checks import check_count
from runner.config.cluster import Batch, RayCluster
from runner.errors import ConfigError

PLUGINS = "hydra_plugins.kandinsky_runner"
"""The module of the launchers' classes."""
MOST = 4096


@dataclass
class RayConfig:
    """The stages of a sweep run in actors of Ray.

    Attributes:
        address: of a running cluster (`auto`, `ray://...`); null: one on this machine.
        workers: `auto` (as many as the cluster has room for) or a number.
        num_cpus, num_gpus: resources of each actor.
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
        host: name by which the jobs reach this machine; null: its own host name.
        timeout_min: of each job; one that ends is submitted again while there is work.
        parameters: others, by submitit's names.
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


def ray_cluster(
    address: str | None, workers: object, num_cpus: float, num_gpus: float
) -> RayCluster:
    """`hydra/launcher=ray`.

    Raises:
        ConfigError: Ray is not installed, or a setting makes no sense.
    """
    _check_installed("ray", at_least=(2, 52))
    for key, share in (("num_cpus", num_cpus), ("num_gpus", num_gpus)):
        if not 0 <= share < inf:
            problem = "is no share of a machine"
            raise ConfigError(f"hydra.launcher.{key}", share, problem, "0 or more")
    count = check_count("hydra.launcher.workers", workers, MOST)
    return RayCluster(address, count, num_cpus, num_gpus)


def submitit_jobs(
    cluster: str, workers: object, host: str | None, timeout_min: int, **asked: Any
) -> Batch:
    """`hydra/launcher=submitit`.

    Raises:
        ConfigError: submitit is not installed, or a setting makes no sense.
    """
    _check_installed("submitit")
    if cluster not in ("slurm", "local"):
        raise ConfigError("hydra.launcher.cluster", cluster, "is unknown", ("slurm", "local"))
    count = check_count("hydra.launcher.workers", workers, MOST)
    if count is None:
        raise ConfigError("hydra.launcher.workers", "auto", "cannot be told here", "a number")
    if timeout_min < 1:
        raise ConfigError("hydra.launcher.timeout_min", timeout_min, "is no time", "1 or more")
    return Batch(cluster, count, host, timeout_min, **asked)


def _check_installed(package: str, at_least: tuple[int, int] = (0, 0)) -> None:
    allowed = f"pip install --upgrade 'kandinsky-runner[{package}]'"
    if find_spec(package) is None:
        raise ConfigError("hydra/launcher", package, "is not installed", allowed)
    found = version(package)
    if tuple(map(int, re.findall(r"\d+", found)[:2])) < at_least:
        least = ".".join(map(str, at_least))
        raise ConfigError("hydra/launcher", package, f"is {found}, older than {least}", allowed)
