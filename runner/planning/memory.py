"""What a plan takes of a device's memory, by the catalog's reckoning."""

from __future__ import annotations

from dataclasses import replace

from runner.catalog import quantization
from runner.catalog.graphs import graph_kind
from runner.catalog.memory import Footprint, peak_bytes, works_with
from runner.catalog.offload import OFFLOAD
from runner.config.choices import RandomSize
from runner.planning.graphs import graphs_settled
from runner.planning.plan import Plan
from runner.planning.quantization import quantized_modules
from runner.planning.specs import JUDGE_ROLE, precision_of
from runner.weights.found import FoundCheckpoint
from runner.weights.random_weights import random_checkpoint


def footprints_of(plan: Plan, images: int) -> list[Footprint]:
    """The footprint of each pipeline; where its weights are not on this disk, that of the release.

    Args:
        images: of all plans that are run together.
    """
    pixels = plan.height * plan.width * min(plan.profile.batch_size or 1, images)
    kind, (used, _) = graph_kind(plan.device), graphs_settled(plan.run, plan.device)
    captured = used and kind is not None and kind.holds
    return [
        _footprint(plan, found, pixels, captured=captured)
        for found in plan.weights.checkpoints.values()
        # There are no random judges, by whose sizes those not on this disk could be told.
        if found.checked is not None or not found.role.startswith(JUDGE_ROLE)
    ]


def _footprint(plan: Plan, found: FoundCheckpoint, pixels: int, *, captured: bool) -> Footprint:
    quantized = dict(quantized_modules(plan.run, found.checkpoint, found.role))
    held = _sized(found).footprint(precision_of(plan.run, found.role), pixels, quantized)
    possible = quantization.captured(quantized, found.checkpoint.denoiser)
    return replace(held, captured=captured and found.denoises and possible)


def _sized(found: FoundCheckpoint) -> FoundCheckpoint:
    if found.checked is not None:
        return found
    return replace(
        found, checked=random_checkpoint(found.checkpoint, RandomSize.release, found.key)
    )


def reckoned(plan: Plan) -> dict[str, int]:
    """Offload mode that the run can have -> bytes of the device that it takes at once, at most."""
    held = footprints_of(plan, len(plan.images))
    modes = (mode for mode in OFFLOAD.values() if not mode.chosen and works_with(mode, held))
    return {mode.name: peak_bytes(mode, held) for mode in modes}


def weights_bytes(plan: Plan) -> int:
    """Bytes of the weights of all pipelines in memory."""
    return sum(held.all_weights for held in footprints_of(plan, 1))
