"""Offload modes, which keep weights off the device while unused: choose, set, read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from runner.catalog.memory import Footprint, peak_bytes, works_with
from runner.catalog.offload import DOWNWARD, NONE, Moves, Offload
from runner.pipelines.transformers_models import OwnPipeline
from runner.system.text import format_bytes

MARGIN = 1.1
"""Memory that is asked for over the reckoned one."""

GROUP_HOOK = "group_offloading"
"""Its name in diffusers.hooks."""


@dataclass
class OffloadChoice:
    """The offload mode in use, and the reason for it.

    Attributes:
        configured: the config's mode; with `auto`, `mode` may change.
        modes: those that `auto` takes here, the fastest first.
    """

    configured: Offload
    mode: Offload
    reason: str
    modes: tuple[Offload, ...] = DOWNWARD

    def step_down(self) -> bool:
        """After running out of memory: the next mode. False if not `auto`, or no mode is left."""
        if not self.configured.chosen or self.mode == self.modes[-1]:
            return False
        before = self.mode
        self.mode = self.modes[self.modes.index(before) + 1]
        self.reason = f"out of memory with {before.name}"
        return True


def choose_offload(
    configured: Offload,
    device: str,
    footprints: Sequence[Footprint],
    free: int | None,
) -> OffloadChoice:
    """The configured mode, or for `auto` the fastest that should fit.

    Args:
        footprints: of the run's pipelines, which are not on the device at the same time.
        free: free bytes of the device; None where unknown.
    """
    if not configured.chosen:
        return OffloadChoice(configured, configured, "as configured")
    if device == "cpu":
        reason = "on the CPU there is nothing to offload from"
        return OffloadChoice(configured, NONE, reason)
    if free is None:
        return OffloadChoice(configured, NONE, f"{device} does not tell its memory")
    modes = tuple(mode for mode in DOWNWARD if works_with(mode, footprints))
    for mode in modes:
        needed = peak_bytes(mode, footprints) * MARGIN
        if needed <= free or mode == modes[-1]:
            reason = f"needs about {format_bytes(int(needed))} of {format_bytes(free)} free"
            return OffloadChoice(configured, mode, reason, modes)
    raise AssertionError("the last mode is always taken")


def free_bytes(device: str) -> int | None:
    """Free memory of an accelerator, as its driver reports it, with what this process could free:
    all that it holds, as nothing of it is needed yet.
    """
    if not device.startswith("cuda"):
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return int(free) + torch.cuda.memory_reserved(device)


def place(pipeline: Any, device: str, mode: Offload) -> None:
    """Move the pipeline to its device, whole or with an offload mode that covers all modules."""
    if isinstance(pipeline, OwnPipeline):
        pipeline.place(device, offloaded=mode.moves is not Moves.PIPELINE)
        return
    if mode.moves is Moves.PIPELINE:
        pipeline.to(device)
        return
    pipeline._exclude_from_cpu_offload = []  # diffusers leaves the prior out otherwise
    if "prior" in pipeline.components:
        _keep_statistics(pipeline.prior)
    match mode.name:
        case "model":
            pipeline.enable_model_cpu_offload(device=device)
        case "group" | "group_stream":
            pipeline.enable_group_offload(
                onload_device=torch.device(device),
                offload_type="leaf_level",
                use_stream=mode.name == "group_stream",
                exclude_modules=[name for name in mode.stays if name in pipeline.components],
            )
        case "sequential":
            pipeline.enable_sequential_cpu_offload(device=device)
        case _:
            raise AssertionError(f"what offload={mode.name} does is written nowhere")


def offloaded(pipeline: Any) -> list[str]:
    """Names of the modules that are off the device while not in use."""
    if isinstance(pipeline, OwnPipeline):
        return pipeline.offloaded
    modules = pipeline.components.items()
    return sorted(n for n, m in modules if isinstance(m, torch.nn.Module) and _has_hook(m))


def prefetches(pipeline: Any) -> bool:
    """Whether weights are loaded ahead of their layer, on a stream of their own."""
    modules = [m for m in pipeline.components.values() if isinstance(m, torch.nn.Module)]
    hooks = (_group_hook(part) for m in modules for part in m.modules())
    return any(hook is not None and hook.group.stream is not None for hook in hooks)


def expected_offloaded(pipeline: Any, mode: Offload) -> list[str]:
    """What `offloaded` must return where the mode took effect on all modules that it moves."""
    if mode.moves is Moves.PIPELINE:
        return []
    modules = pipeline.components.items()
    return sorted(n for n, m in modules if isinstance(m, torch.nn.Module) and n not in mode.stays)


def _keep_statistics(prior: Any) -> None:
    """Keep the prior's mean and deviation available: diffusers uses them outside of `forward`,
    where an offloaded module's weights are not loaded (PriorTransformer.post_process_latents).
    """
    mean, deviation = prior.clip_mean.detach().clone(), prior.clip_std.detach().clone()

    def post_process_latents(latents: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = latents * deviation.to(latents.device) + mean.to(latents.device)
        return found

    prior.post_process_latents = post_process_latents


def _has_hook(module: Any) -> bool:
    # Layers that are cast have a registry of diffusers' hooks, too.
    return any(
        hasattr(part, "_hf_hook") or _group_hook(part) is not None for part in module.modules()
    )


def _group_hook(part: Any) -> Any:
    registry = getattr(part, "_diffusers_hook", None)
    return None if registry is None else registry.get_hook(GROUP_HOOK)
