"""Checks of values that need nothing but the config itself."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from runner.catalog.attention import ATTENTION
from runner.catalog.quantization import KEYS, METHODS, NONE
from runner.catalog.schedulers import CHECKPOINT, NAMED, OPTIONS, SCHEDULERS, Option
from runner.catalog.tasks import TASKS, OneOf, Task
from runner.catalog.version import Version
from runner.catalog.versions import VERSIONS
from runner.config.choices import CompileMode
from runner.config.groups import CompileConfig, SchedulerConfig, WeightsConfig
from runner.config.prompts import check_text
from runner.config.run_config import InterpolateItem
from runner.config.schema import Config
from runner.config.sections import InputsConfig, ItemConfig
from runner.config.weights import check_weights
from runner.config.words import NONE_OF_THEM
from runner.errors import ConfigError, UnknownValueError
from runner.system.text import with_near

WEIGHTS_TOLERANCE = 1e-3
COUNTED = {"batch_size": "images"}
"""Keys whose numbers count something else than their names say."""


RowType = TypeVar("RowType")


def row_named(key: str, name: str, table: Mapping[str, RowType]) -> RowType:
    """The catalog table's row of this name. Raises ConfigError where there is none."""
    _check_word(key, name, table)
    return table[name]


def version_of_variant(version: Version, variant: str | None) -> Version:
    """The version with the models of a variant. Raises ConfigError where there is none."""
    if variant is not None and variant not in version.variants:
        others = set().union(*(one.variants for one in VERSIONS.values()))
        kind = ConfigError if variant in others else UnknownValueError
        raise kind(
            "model.variant", variant, f"Kandinsky {version.title} has no such models",
            tuple(version.variants) or "null: there is one of each",
        )  # fmt: skip
    return version.of_variant(variant)


def _check_word(key: str, word: str, known: Collection[str]) -> None:
    if word not in known:
        raise UnknownValueError(key, word, with_near(NONE_OF_THEM, word, known), known)


def check_values(config: Config, version: Version, task: Task) -> None:
    """Raise ConfigError for a number, an input or an option that makes no sense."""
    steps = config.decoder.num_inference_steps
    # A prior of one step ends in ZeroDivisionError (diffusers, scheduling_unclip.py).
    most = version.max_steps
    _check_steps("prior.num_inference_steps", config.prior.num_inference_steps, 2, most)
    _check_steps("decoder.num_inference_steps", steps, 1, most)
    _check_guidance("prior.guidance_scale", config.prior.guidance_scale)
    _check_guidance("decoder.guidance_scale", config.decoder.guidance_scale)
    draws_noise = task.name in version.draws_without_steps and not config.corrections
    # Where the version cannot do the task, that is what the plan says.
    possible = task.name in version.tasks
    if not (draws_noise and config.strength == 0):
        cut = steps if task.uses_strength and possible and not draws_noise else None
        _check_strength("strength", config.strength, cut)
    cuts_prior = task.uses_prior_strength and possible
    prior_steps = config.prior.num_inference_steps if cuts_prior else None
    _check_strength("prior.strength", config.prior.strength, prior_steps)
    _check_strength("prior.negative_strength", config.prior.negative_strength, prior_steps)
    for key, size in (
        ("height", config.height),
        ("width", config.width),
    ):
        if size is not None and size <= 0:
            raise ConfigError(key, size, "is no number of pixels", "a positive number, or null")
    most_gb = config.cache.max_gb
    if most_gb is not None and not 0 <= most_gb < math.inf:
        raise ConfigError("cache.max_gb", most_gb, "is no size", "a number from 0 on, or null")
    _check_scheduler(config.scheduler, config.weights, steps)
    _check_attention(config)
    _check_compile(config.compile)
    for key in KEYS:
        _check_word(f"quantize.{key}", getattr(config.quantize, key), (NONE, *METHODS))
    check_weights(config.weights)


def check_items(
    items: Sequence[ItemConfig], task: Task, *, any_sum: bool = False
) -> tuple[InterpolateItem, ...]:
    """Check the items of a mix: each a text or a picture, weights that add up to 1. Items without a
    weight share what the others leave.

    Args:
        any_sum: take weights as they are, as diffusers does.

    Raises:
        ConfigError: too few, neither or both of text and image, or weights that do not add up:
            diffusers would accept them, and make an embedding too long or too short.
    """
    key = "interpolate.items"
    if not task.mixes:
        if items:
            raise ConfigError(
                key, f"{len(items)} items", f"means nothing with task={task.name}",
                [f"task={row.name}" for row in TASKS.values() if row.mixes],
            )  # fmt: skip
        return ()
    if not items:
        return ()  # missing items: reported by the plan, once the version is known to have the task
    for number, item in enumerate(items):
        if (item.text is None) == (item.image is None):
            problem = "has neither a text nor an image, or has both"
            raise ConfigError(f"{key}[{number}]", item, problem, ["text", "image"])
        if item.text is not None:
            check_text(item.text, f"{key}[{number}].text")
        if item.weight is not None and not math.isfinite(item.weight):
            raise ConfigError(f"{key}[{number}].weight", item.weight, "is not a finite number")
    weights = complete_weights([item.weight for item in items])
    total = math.fsum(weights)
    if abs(total - 1) > WEIGHTS_TOLERANCE and not any_sum:
        raise ConfigError(key, f"weights {total:g} in all", "do not add up", "weights of 1 in all")
    return tuple(
        InterpolateItem(item.text, item.image, weight)
        for item, weight in zip(items, weights, strict=True)
    )


def complete_weights(weights: Sequence[float | None]) -> list[float]:
    """The weights of a mix; missing ones share what the others leave of 1."""
    given = [weight for weight in weights if weight is not None]
    share = (1 - math.fsum(given)) / max(1, len(weights) - len(given))
    return [share if weight is None else weight for weight in weights]


def check_count(key: str, value: object, most: int) -> int | None:
    """Check a number of threads or workers, 1 to `most`; None for `auto`. Raises ConfigError."""
    if value == "auto":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise UnknownValueError(
            key,
            value,
            f"is no number of {COUNTED.get(key, key.rpartition('.')[2])}",
            f"auto, or 1 to {most}",
        )
    return value


def _check_steps(key: str, steps: int, least: int, most: int) -> None:
    if not least <= steps <= most:
        raise ConfigError(key, steps, "is out of range", f"{least} to {most}")


def _check_guidance(key: str, scale: float) -> None:
    if not math.isfinite(scale):
        raise ConfigError(key, scale, "is not a finite number", "a number from 0 on")
    if scale < 0:
        raise ConfigError(key, scale, "is negative", "a number from 0 on; 1 or less: no guidance")


def _check_strength(key: str, strength: float, steps: int | None) -> None:
    """Check the strength. `steps`: of the schedule that it cuts; None where the task uses none."""
    if not 0 < strength <= 1:  # also NaN
        raise ConfigError(key, strength, "is out of range", "above 0, up to 1")
    # diffusers runs int(steps * strength) steps, and with 0 of them 2.1 returns pure noise.
    if steps is not None and int(steps * strength) < 1:
        raise ConfigError(
            key, strength, f"no step of {steps} would be run",
            f"{math.ceil(1000 / steps) / 1000:g} to 1, or more steps",
        )  # fmt: skip


def _check_scheduler(section: SchedulerConfig, weights: WeightsConfig, steps: int) -> None:
    scheduler = row_named("scheduler.name", section.name, SCHEDULERS)
    meant = scheduler
    if weights.scheduler is not None:
        suited = row_named("weights.scheduler", weights.scheduler, NAMED)
        meant = suited if scheduler is CHECKPOINT else scheduler
    values = {name: value for name, value in section.options().items() if value is not None}
    for name, value in values.items():
        if (choices := OPTIONS[name].choices) is not None:
            _check_word(f"scheduler.{name}", value, choices)
    for name, value in values.items():
        if name not in scheduler.option_names:
            takers = [
                f"scheduler={row}" for row, its in SCHEDULERS.items() if name in its.option_names
            ]
            raise ConfigError(
                f"scheduler.{name}", value, f"means nothing with scheduler={scheduler.name}",
                scheduler.option_names or takers,
            )  # fmt: skip
        _check_range(OPTIONS[name], value)
    for name, value in values.items():
        needs, voided_by = OPTIONS[name].needs, OPTIONS[name].voided_by
        if needs is not None and not values.get(needs):
            raise ConfigError(
                f"scheduler.{name}", value, f"means nothing without scheduler.{needs}=true",
                f"scheduler.{needs}=true, or scheduler.{name}=null",
            )  # fmt: skip
        if voided_by is not None and value and values.get(voided_by):
            raise ConfigError(
                f"scheduler.{name}", value,
                f"has no effect while scheduler.{voided_by} is on", "one of both",
            )  # fmt: skip
    if (schedule := meant.schedule) is not None:
        most = values.get(schedule.option, schedule.length)
        if steps > most:
            default = ", the default of the weights," if steps == weights.steps.decoder else ""
            usual = min(schedule.usual, most)
            raise ConfigError(
                "decoder.num_inference_steps", steps,
                f"{default} is more than {schedule.owner}'s schedule of {most} "
                f"(scheduler.{schedule.option})".lstrip(", "),
                f"1 to {most}, such as decoder.num_inference_steps={usual}",
            )  # fmt: skip


def _check_range(option: Option, value: float) -> None:
    least, most = option.least, option.most
    if least is not None and most is not None and not least <= value <= most:
        raise ConfigError(
            f"scheduler.{option.name}", value, "is out of range", f"{least:g} to {most:g}"
        )


def _check_attention(config: Config) -> None:
    backend = row_named("attention.backend", config.attention.backend, ATTENTION)
    size = config.attention.slice_size
    if size is None:
        return
    if not backend.sliced:
        raise ConfigError(
            "attention.slice_size", size, f"means nothing with attention={backend.name}",
            [f"attention={name}" for name, row in ATTENTION.items() if row.sliced],
        )  # fmt: skip
    if size < 1:
        raise ConfigError("attention.slice_size", size, "is no number of heads", "1 or more")


def _check_compile(config: CompileConfig) -> None:
    for name in ("fullgraph", "regional"):
        if config.mode is CompileMode.off and getattr(config, name):
            allowed = f"compile.{name}=false, or compile=default"
            raise ConfigError(f"compile.{name}", True, "means nothing with compile=off", allowed)
    if config.mode.reuses_outputs and config.regional:
        raise ConfigError(
            "compile.regional", True,
            f"compile={config.mode.value} has each block overwrite what the next one reads",
            "compile.regional=false, or compile=default",
        )  # fmt: skip


def check_inputs(inputs: InputsConfig, items: Sequence[InterpolateItem], task: Task) -> None:
    """Raise ConfigError for an input that the task needs and lacks, or does not use."""
    if task.mixes and len(items) < 2:
        raise ConfigError(
            "interpolate.items", f"{len(items)} items", "there is nothing to mix",
            "two or more of {text: ..., weight: ...} or {image: <path>, weight: ...}",
        )  # fmt: skip
    for name in ("image", "mask", "mask_box", "mask_invert", "hint"):
        value = getattr(inputs, name)
        if value not in (None, False) and name not in task.takes:
            raise ConfigError(
                f"inputs.{name}", value, f"means nothing with task={task.name}",
                [f"inputs.{key}" for key in task.takes] or "no inputs",
            )  # fmt: skip
        if isinstance(value, str) and not value.strip():
            raise ConfigError(f"inputs.{name}", value, "names no file", "a path")
    for name in task.needs:
        if getattr(inputs, name) is None:
            raise ConfigError(f"inputs.{name}", None, f"task={task.name} needs a picture", "a path")
    if task.one_of is not None:
        _check_one_of(inputs, task.one_of)
    if inputs.mask_box is not None:
        _check_box(inputs.mask_box)


def _check_one_of(inputs: InputsConfig, pair: OneOf) -> None:
    first, second = pair.first, pair.second
    given = [name for name in (first, second) if getattr(inputs, name) is not None]
    if len(given) == 2:
        value = getattr(inputs, second)
        raise ConfigError(f"inputs.{second}", value, f"inputs.{first} is set too", "one of both")
    if not given:
        raise ConfigError(f"inputs.{first}", None, f"nor is inputs.{second} set", pair.allowed)


def _check_box(box: list[int]) -> None:
    key = "inputs.mask_box"
    if len(box) != 4:
        raise ConfigError(key, box, f"has {len(box)} numbers", "[x0,y0,x1,y1] in pixels")
    x0, y0, x1, y1 = box
    if not (0 <= x0 < x1 and 0 <= y0 < y1):
        raise ConfigError(key, box, "holds no pixel", "[x0,y0,x1,y1] with x0 < x1 and y0 < y1")
