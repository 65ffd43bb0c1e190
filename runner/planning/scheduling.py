"""Settles the decoder's scheduler: which one it is, and what it changes of the published config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from runner.catalog.scheduler_config import (
    DEFAULTS,
    STEP_DEFAULTS,
    Change,
    changes,
    filled,
    in_words,
    listed_in,
    swapped,
)
from runner.catalog.schedulers import NAMED, OPTIONS, Scheduler
from runner.config.groups import SchedulerConfig
from runner.config.overrides import assigned
from runner.config.run_config import RunConfig
from runner.graph.node import SchedulerSpec
from runner.weights.found import FoundCheckpoint


@dataclass(frozen=True)
class SettledScheduler:
    """The scheduler that a run uses.

    Attributes:
        asked: its name in the config.
        name: the settled one: a name of the catalog, or the checkpoint's class where none of them
            is the same; `asked` while the checkpoint is not on disk.
        why: why this one, for display; "": it was asked for.
        spec: None: the checkpoint's own object.
        changes: the settings that differ from the published ones.
        folder: the folder of the checkpoint that publishes a config for this scheduler, beside its
            main one; "": the main one is used.
        beside_main: where there is such a folder, the settings that differ from the main config.
    """

    asked: str
    name: str
    why: str
    spec: SchedulerSpec | None
    changes: tuple[Change, ...] = ()
    folder: str = ""
    beside_main: tuple[Change, ...] = ()

    @property
    def title(self) -> str:
        """What was asked for, and what that is."""
        return f"{self.asked} ({self.name}, {self.why})" if self.why else self.asked

    @property
    def changed(self) -> str:
        """One line on the changed settings; "": none is changed."""
        said = [in_words(self.changes)] if self.changes else []
        if self.folder:
            own = f"as {self.folder}/ of the checkpoint has it"
            others = in_words(self.beside_main)
            said.insert(0, f"{own}, beside scheduler/: {others}" if others else own)
        return f"scheduler {self.name}: {'; '.join(said)}" if said else ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of it."""
        if self.spec is not None or self.name == self.asked:
            return ()
        known = ", ".join(NAMED)
        return (
            f"the checkpoint's own {self.name} is none of those that are known to draw right with "
            f"Kandinsky ({known})",
        )


Published: TypeAlias = "Mapping[str, Mapping[str, Any]]"
"""A checkpoint's scheduler configs, as in `CheckedFolder.schedulers`."""


def settle_scheduler(run: RunConfig, decoder: FoundCheckpoint) -> SettledScheduler:
    """The scheduler of a run with a decoder."""
    published = decoder.checked.schedulers if decoder.checked is not None else None
    return settle(run, published, decoder.checkpoint.scheduler_folders)


def settle(
    run: RunConfig, published: Published | None, folders: Mapping[str, str] | None = None
) -> SettledScheduler:
    """The scheduler of a run with a checkpoint that publishes these; None: it is not on disk.

    Args:
        folders: scheduler -> the folder of its config, where it has one of its own.

    `scheduler=checkpoint` leads to the same spec, and so to the same nodes, as the name of the
    scheduler that it stands for.
    """
    asked = run.scheduler.name
    if asked in NAMED:
        spec = scheduler_spec(run.scheduler)
        assert spec is not None
        return _settled(asked, "", spec, published, folders)
    if run.weights.scheduler is not None:
        spec = SchedulerSpec(run.weights.scheduler)
        is_set = any(key.lstrip("+") == "weights.scheduler" for key in assigned(run.overrides))
        why = "as weights.scheduler says" if is_set else "which suits the weights"
        return _settled(asked, why, spec, published, folders)
    if published is None:
        return SettledScheduler(asked, asked, "", None)
    same = next((row for row in NAMED.values() if _is_same(row, published)), None)
    if same is not None:
        return SettledScheduler(asked, same.name, "as published", SchedulerSpec(same.name))
    return SettledScheduler(asked, published_class(published), "as published", None)


def _settled(
    asked: str,
    why: str,
    spec: SchedulerSpec,
    published: Published | None,
    folders: Mapping[str, str] | None,
) -> SettledScheduler:
    settled = SettledScheduler(asked, spec.name, why, spec, _changes(spec, published))
    if published is None or spec.name not in published:
        return settled
    folder = (folders or {}).get(spec.name, "")
    beside_main = _changes(SchedulerSpec(spec.name), published, beside=published[""])
    return replace(settled, folder=folder, beside_main=beside_main)


def scheduler_spec(config: SchedulerConfig) -> SchedulerSpec | None:
    """The scheduler with the options that are set, values as in diffusers; None: the checkpoint's
    own.
    """
    if config.name not in NAMED:
        return None
    options = {
        name: OPTIONS[name].in_diffusers(value)
        for name, value in config.options().items()
        if value is not None
    }
    return SchedulerSpec(config.name, tuple(sorted(options.items())))


def options_with_effect(
    spec: SchedulerSpec, published: Published | None, steps: int
) -> tuple[str, Mapping[str, Any]]:
    """A scheduler's class, and the settings in which it differs from what it is without options.

    Options that name what it has anyway are left out, and those without effect in so many steps.
    """
    wanted = str(NAMED[spec.name].diffusers)
    if published is None:
        return wanted, dict(spec.options)
    usual = {**STEP_DEFAULTS.get(wanted, {}), **_made(spec, published)}
    settings = {**usual, **dict(spec.options)}
    if settings.get("sample_max_value") == 1:  # then the threshold is 1, whatever its share
        settings["dynamic_thresholding_ratio"] = usual.get("dynamic_thresholding_ratio")
    if steps == 1 and settings.get("set_alpha_to_one"):
        settings["eta"] = usual.get("eta")  # the last step ends without noise
    order = settings.get("solver_order")
    if isinstance(order, int) and settings.get("lower_order_final"):
        # The first step is of order 1, the second at most of 2; the last ones likewise
        # (diffusers, `step` of DPMSolverMultistepScheduler and UniPCMultistepScheduler).
        settings["solver_order"] = min(order, max(1, (steps + 1) // 2))
    return wanted, {k: v for k, v in settings.items() if k not in usual or v != usual[k]}


def setting(run: RunConfig, decoder: FoundCheckpoint, name: str) -> bool | int | float | str | None:
    """A setting of the scheduler that a run uses; None: it has none, or is not on disk to tell."""
    published = decoder.checked.schedulers if decoder.checked is not None else None
    if published is None:
        return None
    spec = settle_scheduler(run, decoder).spec
    if spec is None:
        return filled(published_class(published), listed_in(published[""])).get(name)
    return {**_made(spec, published), **dict(spec.options)}.get(name)


def published_class(published: Published) -> str:
    """The class of the checkpoint's main scheduler."""
    return str(published[""].get("_class_name"))


def _is_same(row: Scheduler, published: Published) -> bool:
    """Whether a scheduler by its name is the checkpoint's main one, with every setting."""
    if row.diffusers != published_class(published):
        return False
    if published.get(row.name, published[""]) != published[""]:
        return False  # the name stands for another config that the checkpoint has
    return not _changes(SchedulerSpec(row.name), published)


def _changes(
    spec: SchedulerSpec, published: Published | None, beside: Mapping[str, Any] | None = None
) -> tuple[Change, ...]:
    """As `runner.pipelines.scheduler_swap.scheduler_changes` will read them back.

    Args:
        beside: the config to compare with; None: that which the scheduler is made from.
    """
    if published is None:
        return ()
    made = _made(spec, published)
    file = published.get(spec.name, published[""]) if beside is None else beside
    own, wanted = str(file.get("_class_name")), str(NAMED[spec.name].diffusers)
    return changes(own, filled(own, listed_in(file)), wanted, {**made, **dict(spec.options)})


def _made(spec: SchedulerSpec, published: Published) -> dict[str, Any]:
    """All settings of a scheduler without its options."""
    file = published.get(spec.name, published[""])
    own, listed = str(file.get("_class_name")), listed_in(file)
    wanted = str(NAMED[spec.name].diffusers)
    return filled(wanted, swapped(wanted, DEFAULTS[wanted], own, listed, filled(own, listed)))
