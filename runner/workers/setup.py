"""What a worker needs to open pipelines, from plans. torch is imported from here on only."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.planning.plan import Plan
from runner.planning.profile import ExecutionProfile, profile_of
from runner.planning.specs import precision_of
from runner.system.imports import import_sparing_scipy, pause_collection
from runner.weights.found import FoundCheckpoint

if TYPE_CHECKING:
    from runner.pipelines.pipelines import Pipelines


@dataclass(frozen=True)
class WorkerSetup:
    """What a process needs to open pipelines and run nodes on them.

    Attributes:
        profile: how the nodes are run.
        component_bytes: for each checkpoint, module -> bytes in the precision of its role.
        pixels: height x width of the largest picture.
        activation_bytes: bytes a number, of the widest type that a decoder computes in.
    """

    checkpoints: tuple[FoundCheckpoint, ...]
    profile: ExecutionProfile
    component_bytes: tuple[Mapping[str, int], ...]
    pixels: int
    activation_bytes: int


def setup_of(plans: Sequence[Plan]) -> WorkerSetup:
    """The setup for plans with the same execution profile."""
    checkpoints = {
        (found.identity, found.checkpoint.pipeline): found
        for plan in plans
        for found in plan.weights.checkpoints.values()
    }
    return WorkerSetup(
        tuple(checkpoints.values()),
        profile_of(plans),
        tuple(component_bytes for plan in plans for component_bytes in _component_bytes(plan)),
        max(plan.height * plan.width for plan in plans),
        max(plan.run.precision.decoder.bytes for plan in plans),
    )


def open_pipelines(opening: WorkerSetup) -> Pipelines:
    """The pipelines; each is loaded when it is first requested."""
    # Here and not above: this imports torch, which a run from the store does not need.
    import_libraries()
    import_pipelines(found.checkpoint.pipeline for found in opening.checkpoints)
    from runner.pipelines.device import check_device, set_threads
    from runner.pipelines.offload import choose_offload, free_bytes
    from runner.pipelines.pipelines import Pipelines

    device = opening.profile.device
    check_device(device)
    set_threads(opening.profile.threads)
    offload = choose_offload(
        opening.profile.offload,
        device,
        opening.component_bytes,
        opening.pixels,
        opening.activation_bytes,
        free_bytes(device),
    )
    return Pipelines(opening.checkpoints, device, offload)


def import_libraries() -> None:
    """Import torch, diffusers and transformers; hide their progress bars and needless warnings."""

    def load() -> None:
        for module in ("read_back", "offload", "pipelines"):
            importlib.import_module(f"runner.pipelines.{module}")

    with pause_collection():
        import_sparing_scipy(load)
    from runner.pipelines.load import quiet_libraries

    quiet_libraries()


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
        import_sparing_scipy(load)


def _component_bytes(plan: Plan) -> list[dict[str, int]]:
    return [
        found.component_bytes(precision_of(plan.run, found.role).bytes)
        for found in plan.weights.checkpoints.values()
    ]
