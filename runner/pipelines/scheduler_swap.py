"""Swaps a live scheduler for another class; settings from the weights' training are kept."""

from __future__ import annotations

import functools
import inspect
from dataclasses import asdict
from typing import Any

from runner.catalog.scheduler_config import UNSERVED, changes, listed_in, swapped
from runner.catalog.schedulers import OPTIONS, SCHEDULERS
from runner.errors import StageError
from runner.graph.node import SchedulerSpec
from runner.pipelines.flow_schedule import SCHEDULE, mend_multistep, schedule_of, set_schedule
from runner.weights.found import FoundCheckpoint

LEARNED_VARIANCE = ("learned", "learned_range")

STEP_OPTIONS = tuple(option.name for option in OPTIONS.values() if option.in_step)

TRAINED = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas",
    "prediction_type",
)  # fmt: skip
"""Settings that the weights were trained with: every swap keeps them."""


def swap_scheduler(own: Any, spec: SchedulerSpec) -> Any:
    """A scheduler of the requested class with the noise levels and prediction type of `own`, and
    with all else that its config file lists (see `runner.catalog.scheduler_config.swapped`).

    Args:
        own: the checkpoint's scheduler; where it has a config of its own for this class, as 2.1 for
            DDPM, one that was made from that.

    Raises:
        StageError: the new scheduler's settings read back differ from the requested ones.
    """
    import diffusers

    row = SCHEDULERS[spec.name]
    assert row.diffusers is not None, "the checkpoint's own is never swapped"
    scheduler_class = getattr(diffusers, row.diffusers)
    settings = dict(own.config)
    if row.flow is not _trained_by_flow(settings):
        kind = "noise levels" if row.flow else "flow matching"
        raise StageError(f"scheduler={spec.name}: the weights were trained by {kind}")
    config = swapped(
        row.diffusers, _taken(scheduler_class), type(own).__name__, listed_in(settings), settings
    )
    options = dict(spec.options)
    outside = (*STEP_OPTIONS, SCHEDULE)
    in_config = {name: value for name, value in options.items() if name not in outside}
    scheduler = scheduler_class.from_config({**config, **in_config})
    in_step = {name: value for name, value in options.items() if name in STEP_OPTIONS}
    if in_step:
        scheduler.step = functools.partial(scheduler.step, **in_step)
    set_schedule(scheduler, options.get(SCHEDULE))
    if row.multistep:
        mend_multistep(scheduler)
    _check(own, scheduler, spec)
    return scheduler


def scheduler_changes(own: Any, used: Any) -> list[dict[str, Any]]:
    """The settings in which a live scheduler differs from the checkpoint's (see
    `runner.catalog.scheduler_config.Change`), as plain values.
    """
    published = {k: v for k, v in own.config.items() if not k.startswith("_")}
    classes = type(own).__name__, type(used).__name__
    found = changes(classes[0], published, classes[1], scheduler_settings(used))
    return [asdict(change) for change in found]


def scheduler_settings(scheduler: Any) -> dict[str, Any]:
    """A live scheduler's settings: its config, and what its methods are told besides."""
    settings = {
        key: value for key, value in sorted(scheduler.config.items()) if not key.startswith("_")
    }
    bound = scheduler.step.keywords if isinstance(scheduler.step, functools.partial) else {}
    return {**settings, **bound, **schedule_of(scheduler)}


def _check(own: Any, scheduler: Any, spec: SchedulerSpec) -> None:
    # diffusers also keeps options in `config` that the class does not take: no proof by itself.
    taken = _taken(type(scheduler))
    stepped = inspect.signature(type(scheduler).step).parameters.keys()
    read_back = {
        key: value
        for key, value in scheduler_settings(scheduler).items()
        if key in taken or key == SCHEDULE or (key in STEP_OPTIONS and key in stepped)
    }
    for name in TRAINED:
        if name in own.config and read_back.get(name) != own.config[name]:
            raise StageError(
                f"scheduler={spec.name}: {name} is {read_back.get(name)!r} after the swap, "
                f"the weights were trained with {own.config[name]!r}"
            )
    for name, value in spec.options:
        if name not in read_back or read_back[name] != value:
            raise StageError(f"scheduler={spec.name}: {name}={value!r} had no effect")
    for name in UNSERVED:
        if scheduler.config.get(name):
            raise StageError(f"scheduler={spec.name}: {name} of the checkpoint cannot be used")
    variance = scheduler.config.get("variance_type")
    if not SCHEDULERS[spec.name].keeps_variance and variance in LEARNED_VARIANCE:
        raise StageError(f"scheduler={spec.name}: cannot use variance_type={variance!r}")


def _taken(scheduler_class: type[Any]) -> set[str]:
    return set(inspect.signature(scheduler_class.__init__).parameters)


def _trained_by_flow(config: dict[str, Any]) -> bool:
    """Whether the scheduler is for flow matching, whose sigmas do not come from betas."""
    return "beta_schedule" not in config


def published_scheduler(main: Any, name: str, found: FoundCheckpoint) -> Any:
    """The checkpoint's scheduler that another is made from: its main one, or that of a config of
    its own for a scheduler of this name.
    """
    assert found.checked is not None
    folder = found.checkpoint.scheduler_folders.get(name)
    if folder is None or not (found.checked.path / folder).is_dir():
        return main
    import diffusers

    scheduler_class = getattr(diffusers, str(SCHEDULERS[name].diffusers))
    return scheduler_class.from_pretrained(str(found.checked.path / folder), local_files_only=True)
