"""Refuses schedulers that do not fit a version, or settings that do not fit its checkpoint."""

from __future__ import annotations

from runner.catalog.scheduler_config import UNSERVED
from runner.catalog.schedulers import CHECKPOINT, FITTING, OPTIONS, SPACING
from runner.config.run_config import RunConfig
from runner.errors import ConfigError
from runner.planning.scheduling import setting
from runner.weights.found import FoundCheckpoint


def check_scheduler(run: RunConfig) -> None:
    """Raises ConfigError for a scheduler, or its option, that a version draws wrongly with."""
    version, name = run.version, run.scheduler.name
    fitting = FITTING[version.flow]
    if name == CHECKPOINT.name:
        name = run.weights.scheduler or name
    if name not in fitting:
        predicted, taken = ("velocity", "noise") if version.flow else ("noise", "a velocity")
        problem = f"takes the {predicted} that Kandinsky {version.title} predicts for {taken}"
        raise ConfigError("scheduler", name, f"{problem}: pictures would be wrong", fitting)
    for unfit in version.unfit_options:
        if run.scheduler.options()[unfit.option] == unfit.value:
            raise ConfigError(f"scheduler.{unfit.option}", unfit.value, unfit.why, unfit.allowed)


def check_scheduler_settings(run: RunConfig, decoder: FoundCheckpoint) -> None:
    """Check a scheduler against what the checkpoint publishes. Raises ConfigError."""
    _check_served(run, decoder)
    _check_thresholding(run, decoder)
    _check_leading_steps(run, decoder)


def _check_served(run: RunConfig, decoder: FoundCheckpoint) -> None:
    """Raises ConfigError where the checkpoint's config asks for what no pipeline hands on."""
    for name, why in UNSERVED.items():
        if setting(run, decoder, name):
            own = decoder.checkpoint.scheduler_folders.get(run.scheduler.name, "scheduler")
            raise ConfigError(
                "scheduler", run.scheduler.name, f"the checkpoint's {own}/ sets {name}: {why}",
                f"a checkpoint that does not, or a scheduler without {name}",
            )  # fmt: skip


def _check_thresholding(run: RunConfig, decoder: FoundCheckpoint) -> None:
    """Raises ConfigError for a scheduler option that the checkpoint's own config overrides."""
    if decoder.checked is None:
        return
    schedulers = decoder.checked.schedulers
    own = schedulers.get(run.scheduler.name, schedulers[""])
    values = run.scheduler.options()
    for name, value in values.items():
        voided_by = OPTIONS[name].voided_by
        if value is None or voided_by is None or values[voided_by] is not None:
            continue
        if own.get(voided_by):
            raise ConfigError(
                f"scheduler.{name}", value,
                f"has no effect while the checkpoint's own {voided_by} is on",
                f"with scheduler.{voided_by}=false, or not at all",
            )  # fmt: skip


def _check_leading_steps(run: RunConfig, decoder: FoundCheckpoint) -> None:
    """Raises ConfigError for steps that lie too close for a version's pipelines."""
    most, steps = run.version.max_leading_steps, run.decoder.num_inference_steps
    if most is None or steps <= most or setting(run, decoder, SPACING.name) != "leading":
        return
    raise ConfigError(
        "decoder.num_inference_steps", steps,
        f"Kandinsky {run.version.title} draws no more than {most} steps with "
        f"{SPACING.name}=leading",
        f"1 to {most}; or such as scheduler=ddim scheduler.{SPACING.name}=trailing",
    )  # fmt: skip
