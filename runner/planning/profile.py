"""How cells are run: all that no node's key says whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.catalog.offload import Offload
from runner.config.choices import CacheMode
from runner.config.run_config import Bench, RunConfig

if TYPE_CHECKING:
    from runner.planning.plan import Plan


@dataclass(frozen=True)
class ExecutionProfile:
    """How cells are run, as settled by their plans. One engine serves cells of equal profiles.

    Attributes:
        cache: never `auto`.
        device: "cpu", "cuda", "cuda:N" or "mps".
        threads: CPU threads.
        workers: processes that run stages; None: by the machine and the work.
        batch_size: images that one call may make; 1 where nothing of the cell is batched.
    """

    cache: CacheMode
    device: str
    threads: int
    workers: int | None
    offload: Offload
    bench: Bench | None
    batch_size: int

    @classmethod
    def of(cls, run: RunConfig, device: str, threads: int, batch_size: int) -> ExecutionProfile:
        """The profile of a config, with what the plan settled."""
        return cls(run.cache, device, threads, run.workers, run.offload, run.bench, batch_size)

    @property
    def described(self) -> tuple[tuple[str, object], ...]:
        """Its values by the config's keys. Part of the keys of external pictures: as it is."""
        return (
            ("cache", self.cache.name),
            ("device", self.device),
            ("threads", self.threads),
            ("workers", self.workers),
            ("offload", self.offload.name),
            ("bench", self.bench),
            ("batch_size", self.batch_size),
        )


def profile_of(plans: Iterable[Plan]) -> ExecutionProfile:
    """The one profile of plans that one engine serves."""
    profiles = {plan.profile for plan in plans}
    assert len(profiles) == 1, f"run in {len(profiles)} ways"
    return profiles.pop()
