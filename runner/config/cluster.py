"""Where the stages of a sweep run, if not on this machine alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cluster:
    """Actors of Ray.

    Attributes:
        address: of a running cluster; None: one is begun on this machine, and ended after.
        workers: how many actors; None: as many as the cluster has room for.
        cpus, gpus: what each is given.
    """

    address: str | None
    workers: int | None
    cpus: float
    gpus: float
