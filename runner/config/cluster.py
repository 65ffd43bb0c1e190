"""Settings of clusters that run the stages of a sweep: Ray, and batch systems (submitit)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class RayCluster:
    """Actors of Ray.

    Attributes:
        address: of a running cluster; None: one is started on this machine, and stopped after.
        workers: how many actors; None: as many as the cluster has room for.
        cpus, gpus: resources of each actor.
    """

    address: str | None
    workers: int | None
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Batch:
    """Jobs of a batch system, by submitit.

    Attributes:
        cluster: "slurm", or "local" for processes of this machine.
        workers: how many jobs.
        host: name by which the jobs reach this machine; None: its own host name.
        parameters: others, by submitit's names (`slurm_account`, `slurm_constraint`, ...).
    """

    cluster: str
    workers: int
    host: str | None
    timeout_min: int
    partition: str | None
    cpus_per_task: int | None
    gpus_per_node: int | None
    mem_gb: float | None
    parameters: Mapping[str, Any]


Cluster: TypeAlias = RayCluster | Batch
