"""The execution profile: settings of how cells are run that are not fully part of node keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.catalog.offload import Moves, Offload
from runner.config.choices import CacheMode, Graphs
from runner.config.run_config import Bench, RunConfig
from runner.planning.quantization import quantized_moves

if TYPE_CHECKING:
    from runner.planning.plan import Plan


@dataclass(frozen=True)
class ExecutionProfile:
    """How cells are run, as settled by their plans. Cells of equal profiles are run as one graph.

    Attributes:
        cache: never `auto`.
        device: "cpu", "cuda", "cuda:N" or "mps".
        threads: CPU threads.
        workers: processes that run stages; None: chosen by machine and amount of work.
        batch_size: images in one call, at most; None: as many as the device's memory holds; 1 where
            nothing of the cell is batched.
        graphs: whether denoisers run as graphs.
        moves: units that `offload=auto` may move weights in, as they are quantised; where the mode
            is chosen already, all.
    """

    cache: CacheMode
    device: str
    threads: int
    workers: int | None
    offload: Offload
    bench: Bench | None
    batch_size: int | None
    graphs: Graphs = Graphs.auto
    moves: frozenset[Moves] = frozenset(Moves)

    @classmethod
    def of(
        cls, run: RunConfig, device: str, threads: int, batch_size: int | None
    ) -> ExecutionProfile:
        """The profile of a config, with the values that its plan settled."""
        chooses = run.offload.chosen and device != "cpu"
        return cls(
            run.cache, device, threads, run.workers, run.offload, run.bench, batch_size, run.graphs,
            quantized_moves(run) if chooses else frozenset(Moves),
        )  # fmt: skip

    @property
    def described(self) -> tuple[tuple[str, object], ...]:
        """(config key, value) pairs. They enter the keys of external pictures: do not change;
        `graphs` is not among them, as its pixels are the same to the last bit, nor `moves`, as
        keys say what is quantised.
        """
        return (
            ("cache", self.cache.name),
            ("device", self.device),
            ("threads", self.threads),
            ("workers", self.workers),
            ("offload", self.offload.name),
            ("bench", self.bench),
            ("batch_size", self.batch_size or "auto"),
        )


def profile_of(plans: Iterable[Plan]) -> ExecutionProfile:
    """The one profile that all the plans have."""
    profiles = {plan.profile for plan in plans}
    assert len(profiles) == 1, f"run in {len(profiles)} ways"
    return profiles.pop()
