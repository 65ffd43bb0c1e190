"""What a worker needs to open pipelines, from plans. torch is imported from here on only."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runner.catalog.memory import Footprint, peak_bytes
from runner.catalog.quantization import PACKAGES
from runner.planning.memory import footprints_of
from runner.planning.plan import Plan
from runner.planning.profile import ExecutionProfile, profile_of
from runner.system.freed_memory import keep_freed_memory
from runner.system.imports import import_sparingly, import_without, pause_collection
from runner.weights.found import FoundCheckpoint

if TYPE_CHECKING:
    from runner.pipelines.kept import KeptPipelines
    from runner.pipelines.module_graphs import GraphChoice
    from runner.pipelines.offload import OffloadChoice
    from runner.pipelines.pipelines import Pipelines


@dataclass(frozen=True)
class WorkerSetup:
    """What a process needs to open pipelines and run nodes on them.

    Attributes:
        profile: how the nodes are run.
        footprints: what each pipeline takes of the device's memory.
    """

    checkpoints: tuple[FoundCheckpoint, ...]
    profile: ExecutionProfile
    footprints: tuple[Footprint, ...]


def setup_of(plans: Sequence[Plan]) -> WorkerSetup:
    """The setup for plans with the same execution profile."""
    checkpoints = {
        (found.identity, found.checkpoint.pipeline, found.loras): found
        for plan in plans
        for found in plan.weights.checkpoints.values()
    }
    images = sum(len(plan.images) for plan in plans)
    return WorkerSetup(
        tuple(checkpoints.values()),
        profile_of(plans),
        tuple(one for plan in plans for one in footprints_of(plan, images)),
    )


def open_pipelines(opening: WorkerSetup) -> Pipelines:
    """The pipelines; each is loaded when it is first requested. A measurement finds nothing that
    this process has compiled before.
    """
    # Here and not above: this imports torch, which a run from the store does not need.
    import_libraries()
    from runner.pipelines.compilation import forget_compiled
    from runner.pipelines.pipelines import Pipelines

    if opening.profile.bench is not None:
        forget_compiled()
    return Pipelines(*_settings(opening))


def open_kept(opening: WorkerSetup, before: KeptPipelines | None) -> KeptPipelines:
    """The pipelines of a worker that stays, with what it has loaded for the command before."""
    import_libraries()
    from runner.pipelines.kept import KeptPipelines
    from runner.pipelines.offload import MARGIN

    settings = _settings(opening)
    pipelines = KeptPipelines(*settings)
    pipelines.needed = int(peak_bytes(settings[2].mode, opening.footprints) * MARGIN)
    if before is not None:
        pipelines.adopt(before)
    return pipelines


def _settings(
    opening: WorkerSetup,
) -> tuple[tuple[FoundCheckpoint, ...], str, OffloadChoice, GraphChoice]:
    """What `Pipelines` takes, once the libraries are imported."""
    import_pipelines(found.checkpoint.pipeline for found in opening.checkpoints)
    from runner.pipelines.device import check_device, set_threads
    from runner.pipelines.module_graphs import choose_graphs
    from runner.pipelines.offload import choose_offload, free_bytes

    device, footprints = opening.profile.device, opening.footprints
    check_device(device)
    keep_freed_memory()  # in every process that computes, so that times are comparable
    set_threads(opening.profile.threads)
    free, uncaptured = free_bytes(device), [replace(one, captured=False) for one in footprints]
    offload = choose_offload(opening.profile.offload, device, uncaptured, free)
    graphs = choose_graphs(
        opening.profile.graphs, device, offload.mode, footprints, free,
        measured=opening.profile.bench is not None,
    )  # fmt: skip
    return opening.checkpoints, device, offload, graphs


def import_libraries(*, own: bool = False) -> None:
    """Import torch, diffusers and transformers; hide their progress bars and needless warnings.

    Args:
        own: whether the process is ours alone, so that what libraries find may be settled for good.
    """

    def load() -> None:
        if own:
            _hide_distributed()
        for module in ("read_back", "offload", "pipelines"):
            importlib.import_module(f"runner.pipelines.{module}")
        from runner.pipelines.load import quiet_libraries

        quiet_libraries()

    with pause_collection():
        _import_lightly(load)


def _hide_distributed() -> None:
    """Have transformers find torch as it is built without `torch.distributed`, for as long as the
    process lives. Its import takes 0.45 s of CPU time and 47 MB, and serves models that are spread
    over several devices.
    """
    from torch import distributed
    from transformers.utils import is_torch_distributed_available

    is_available = distributed.is_available
    distributed.is_available = lambda: False
    try:
        is_torch_distributed_available()  # it keeps its answer
    finally:
        distributed.is_available = is_available


def _import_lightly(load: Callable[[], None]) -> None:
    """Without what diffusers and transformers import because it is there, and only a cell that
    quantises uses: it calls it itself, and is then the only one to pay.
    """
    import_without(PACKAGES, lambda: import_sparingly(load))


def import_pipelines(names: Iterable[str]) -> None:
    """Import diffusers classes and those of their components. Other names are skipped."""
    wanted = list(names)

    def load() -> None:
        import diffusers
        from diffusers.schedulers import KarrasDiffusionSchedulers

        # Loading a scheduler imports all its compatible classes.
        compatible = (scheduler.name for scheduler in KarrasDiffusionSchedulers)
        for name in (*wanted, *compatible):
            getattr(diffusers, name, None)

    with pause_collection():
        _import_lightly(load)
