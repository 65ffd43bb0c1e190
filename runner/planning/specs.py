"""Makes the pipeline specs of nodes from a config: roles, precision, scheduler, compilation."""

from __future__ import annotations

from runner.catalog.schedulers import OPTIONS, SCHEDULERS
from runner.config.choices import CompileMode, Precision
from runner.config.groups import MetricConfig, SchedulerConfig
from runner.config.run_config import RunConfig
from runner.graph.node import CompileSpec, SchedulerSpec

CLIP_ROLE = "clip_"


def clip_role(run: RunConfig, metric: MetricConfig) -> str:
    """The role of the CLIP checkpoint that a metric uses."""
    return f"{CLIP_ROLE}{metric.clip or run.version.name}"


def precision_of(run: RunConfig, role: str) -> Precision:
    """The precision in which a role computes."""
    name = "metrics" if role.startswith(CLIP_ROLE) else role
    precision: Precision = getattr(run.precision, name)
    return precision


def scheduler_spec(config: SchedulerConfig) -> SchedulerSpec | None:
    """The scheduler with the options that are set, values as in diffusers; None: the checkpoint's
    own.
    """
    if SCHEDULERS[config.name].diffusers is None:
        return None
    options = {
        name: OPTIONS[name].in_diffusers(value)
        for name, value in config.options().items()
        if value is not None
    }
    return SchedulerSpec(config.name, tuple(sorted(options.items())))


def _compile_spec(run: RunConfig) -> CompileSpec | None:
    mode = None if run.compile.mode is CompileMode.off else run.compile.mode.value
    if mode is None and not run.compile.channels_last:
        return None
    return CompileSpec(mode, run.compile.fullgraph, run.compile.channels_last)
