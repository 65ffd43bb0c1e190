"""From plans to live pipelines: what torch is needed for begins here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.config.choices import Precision
from runner.planning import Plan

if TYPE_CHECKING:
    from runner.pipelines import Pipelines


def open_pipelines(plans: Sequence[Plan]) -> Pipelines:
    """The pipelines of plans that agree on device, threads and offload mode."""
    # Here and not above: this imports torch, which a run from the store does not need.
    from runner import hardware
    from runner.loading import quiet_libraries
    from runner.offload import choose_offload, free_bytes
    from runner.pipelines import Pipelines

    device, threads = plans[0].device, plans[0].threads
    hardware.check_device(device)
    hardware.set_threads(threads)
    quiet_libraries()
    offload = choose_offload(
        plans[0].run.offload,
        device,
        [component_bytes for plan in plans for component_bytes in _component_bytes(plan)],
        max(plan.height * plan.width for plan in plans),
        max(plan.run.precision.decoder.bytes for plan in plans),
        free_bytes(device),
    )
    checkpoints = {
        (found.identity, found.checkpoint.pipeline): found
        for plan in plans
        for found in plan.weights.checkpoints.values()
    }
    return Pipelines(checkpoints.values(), device, offload)


def _component_bytes(plan: Plan) -> list[dict[str, int]]:
    """Of each checkpoint, module -> bytes in the precision of its role."""
    return [
        found.component_bytes(_precision_bytes(plan, found.role))
        for found in plan.weights.checkpoints.values()
    ]


def _precision_bytes(plan: Plan, role: str) -> int:
    precision: Precision = getattr(plan.run.precision, role)
    return precision.bytes
