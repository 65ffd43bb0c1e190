"""Settings that a cell does not use: warned of, and kept out of the keys of its nodes.

The rule: a number or a mode that nothing in a cell reads is warned of, so that a sweep may vary it
beside a model or a task that has no use for it. What names a thing of its own (a picture, an item
of a mix, an option of a scheduler) is refused where nothing takes it: see `runner.config.checks`.

A table of keys, and of who uses each. A key counts as given where it is not at its default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from runner.catalog.quantization import PRIOR
from runner.catalog.tasks import TASKS, Task
from runner.catalog.versions import VERSIONS
from runner.config.choices import NegativeFor
from runner.config.run_config import RunConfig
from runner.config.schema import Config
from runner.planning.nodes import UNGUIDED
from runner.planning.quantization import has_module


@dataclass(frozen=True)
class Use:
    """Who uses a key.

    Attributes:
        key: its dotted name.
        used: whether a cell uses it.
        by: what uses it, for messages.
        default: a key that has its default, beside the schema's own.
    """

    key: str
    used: Callable[[RunConfig], bool]
    by: str
    default: str | None = None


def unused_settings(run: RunConfig) -> Iterator[str]:
    """A warning for each key that is given and that the cell does not use."""
    for use in USES:
        value = _value(run.composed, use.key)
        defaults = [_value_of(_schema(), use.key)]
        if use.default is not None:
            defaults.append(_value(run.composed, use.default))
        if value not in (None, "auto", *defaults) and not use.used(run):
            yield f"{use.key}={value} is not used here; what uses it: {use.by}"
    run = _with_told(run)
    if run.negative_prompt is not None and run.corrections and not negative_is_used(run):
        yield f"negative_prompt is not used here: {_why_unguided(run)}"


def negative_is_used(run: RunConfig) -> bool:
    """Whether the negative prompt has a part in the pixels: only guidance reads it.

    The prior's own guidance uses it, and the decoder's, by its embedding and (2.1, 3) its text.
    """
    return _prior_uses_negative(run) or _decoder_uses_negative(run)


def without_unused(run: RunConfig) -> RunConfig:
    """The run that gives the same pixels without values that have no part in them, so that cells
    that differ in these alone have the same nodes.
    """
    run = _with_told(run)
    prior, decoder = run.prior, run.decoder
    used = replace(
        run,
        prior=replace(prior, guidance_scale=max(prior.guidance_scale, UNGUIDED)),
        decoder=replace(decoder, guidance_scale=max(decoder.guidance_scale, UNGUIDED)),
    )
    if run.negative_prompt is None or not run.corrections:
        return used  # uncorrected, a negative prompt changes the noise even where nothing reads it
    if not negative_is_used(run):
        return replace(used, negative_prompt=None, negative_prompt_for=NegativeFor.both)
    if not _decoder_uses_negative(run):
        return replace(used, negative_prompt_for=NegativeFor.prior)
    return used


def _has_told(run: RunConfig) -> bool:
    """Whether a negative prompt may be told to the prior or to the decoder alone."""
    chooses = run.version.has_prior and not run.task.tells_one
    return chooses and run.negative_prompt is not None


def _with_told(run: RunConfig) -> RunConfig:
    return run if _has_told(run) else replace(run, negative_prompt_for=NegativeFor.both)


def _tells_prior(run: RunConfig) -> bool:
    told = run.version.has_prior and not run.task.tells_one
    return told and run.negative_prompt_for is not NegativeFor.decoder


def _prior_uses_negative(run: RunConfig) -> bool:
    return _tells_prior(run) and run.prior.guidance_scale > UNGUIDED


def _decoder_uses_negative(run: RunConfig) -> bool:
    told = run.negative_prompt_for is not NegativeFor.prior
    return told and run.decoder.guidance_scale > UNGUIDED


def _why_unguided(run: RunConfig) -> str:
    scales = []
    if _tells_prior(run):
        scales.append(f"prior.guidance_scale={run.prior.guidance_scale:g}")
    if run.negative_prompt_for is not NegativeFor.prior:
        scales.append(f"decoder.guidance_scale={run.decoder.guidance_scale:g}")
    verb = "are" if len(scales) > 1 else "is"
    return f"{' and '.join(scales)} {verb} no guidance (above 1), which alone reads it"


def prior_samples(run: RunConfig) -> bool:
    """Whether a prior denoises: pictures that are mixed are embedded without it."""
    if not run.version.has_prior:
        return False
    texts = any(item.text is not None for item in run.interpolate)
    return not run.task.mixes or texts or run.negative_prompt is not None


def _resizes(run: RunConfig) -> bool:
    given = (run.inputs.image, run.inputs.mask, run.inputs.hint)
    return not run.task.mixes and any(path is not None for path in given)


def _tasks(has: Callable[[Task], bool]) -> str:
    return ", ".join(f"task={task.name}" for task in TASKS.values() if has(task))


WITH_PRIOR = " or ".join(f"model={v.name}" for v in VERSIONS.values() if v.has_prior)
WITH_SIZES = " or ".join(f"model={v.name}" for v in VERSIONS.values() if v.sizes)
TELL_BOTH = " or ".join(f"task={t.name}" for t in TASKS.values() if not t.tells_one)
BY_PRIOR_STRENGTH = _tasks(lambda task: task.uses_prior_strength)

USES = (
    Use("strength", lambda run: run.task.uses_strength, _tasks(lambda task: task.uses_strength)),
    Use("edit_template", lambda run: run.task.shows_picture,
        _tasks(lambda task: task.shows_picture)),
    Use("resize", _resizes, "a picture in inputs"),
    Use("seeding", lambda run: run.version.has_prior, WITH_PRIOR),
    Use("negative_prompt_for", _has_told,
        f"a negative_prompt, with {WITH_PRIOR} and {TELL_BOTH}"),
    Use("prior.num_inference_steps", prior_samples, f"a text, with {WITH_PRIOR}",
        "weights.steps.prior"),
    Use("prior.guidance_scale", prior_samples, f"a text, with {WITH_PRIOR}",
        "weights.guidance.prior"),
    Use("prior.strength", lambda run: run.task.uses_prior_strength, BY_PRIOR_STRENGTH),
    Use("prior.negative_strength",
        lambda run: run.task.uses_prior_strength and run.negative_prompt is not None,
        f"{BY_PRIOR_STRENGTH} with a negative_prompt"),
    *(
        Use(f"depth.{name}", lambda run: "hint" in run.task.takes and run.inputs.hint is None,
            f"{_tasks(lambda task: 'hint' in task.takes)} without inputs.hint")
        for name in ("repo", "revision", "variant")
    ),
    *(
        Use(f"weights.prior.{name}", lambda run: run.version.has_prior, WITH_PRIOR)
        for name in ("repo", "revision", "variant")
    ),
    Use("quantize.prior", lambda run: has_module(run, PRIOR), WITH_PRIOR),
    Use("any_size", lambda run: bool(run.version.sizes), WITH_SIZES),
    Use("warmup", lambda run: run.bench is not None, "bench=true"),
    Use("repeats", lambda run: run.bench is not None, "bench=true"),
)  # fmt: skip


@cache
def _schema() -> Config:
    return Config()


def _value(config: Mapping[str, Any], key: str) -> Any:
    """A key's value; None where there is none."""
    found: Any = config
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _value_of(section: Any, key: str) -> Any:
    for part in key.split("."):
        section = getattr(section, part)
    return getattr(section, "name", section)  # composed configs have enums by their names
