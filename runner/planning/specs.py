"""Makes the pipeline specs of nodes from a config: roles, precision, compilation."""

from __future__ import annotations

from runner.catalog.quantization import METHODS
from runner.config.choices import CompileMode, Precision
from runner.config.groups import MetricConfig
from runner.config.run_config import RunConfig
from runner.graph.node import CompileSpec, LoraSpec, PipelineSpec
from runner.weights.found import FoundCheckpoint
from runner.weights.loras import PEFT

CLIP_ROLE, JUDGE_ROLE = "clip_", "judge_"
OF_METRICS = (CLIP_ROLE, JUDGE_ROLE)
"""Beginnings of the roles of models that metrics use: they are set up alike in all cells."""


def clip_role(run: RunConfig, metric: MetricConfig) -> str:
    """The role of the CLIP checkpoint that a metric uses."""
    return f"{CLIP_ROLE}{metric.clip or run.version.name}"


def judge_role(metric: str) -> str:
    """The role of a metric's judge."""
    return f"{JUDGE_ROLE}{metric}"


def precision_of(run: RunConfig, role: str) -> Precision:
    """The precision in which a role computes."""
    name = "metrics" if role.startswith(OF_METRICS) else role
    precision: Precision = getattr(run.precision, name)
    return precision


def lora_specs(found: FoundCheckpoint) -> tuple[LoraSpec, ...]:
    """The LoRAs of a checkpoint. Of weight 0 they add zeros: such a cell is one without them."""
    return tuple(LoraSpec(one.sha256, one.weight) for one in found.loras if one.weight != 0)


def compile_spec(run: RunConfig, role: str, device: str) -> CompileSpec | None:
    """How the module of a role that is called at each step is compiled and laid out.

    Args:
        device: its kind: cpu, cuda or mps.
    """
    mode = None if run.compile.mode is CompileMode.off else run.compile.mode.value
    last = channels_last(run, role, device)
    if mode is None and not last:
        return None
    return CompileSpec(mode, run.compile.fullgraph, last, run.compile.regional)


def channels_last(run: RunConfig, role: str, device: str) -> bool:
    """Whether a role's weights are in the channels-last format.

    `auto`: with half-precision convolutions on CUDA, whose tensor cores compute in that format. A
    prior has no convolutions.
    """
    if run.compile.channels_last or run.channels_last is not None:
        return run.compile.channels_last or bool(run.channels_last)
    return role == "decoder" and device == "cuda" and precision_of(run, role) is not Precision.fp32


def packages_of(pipeline: PipelineSpec, denoises: bool = True) -> frozenset[str]:
    """The packages that decide a result only where they are used: those that quantise, and peft.

    Args:
        denoises: whether the module that LoRAs are added to is called.
    """
    quantising = {pkg for _, name in pipeline.quantized for pkg in METHODS[name].packages}
    return frozenset(quantising | {PEFT} if pipeline.loras and denoises else quantising)
