"""The params of an MLflow run: what was asked, and what the plan made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.planning.plan import Plan
from runner.recording.loras import with_lora_params
from runner.system.text import flatten

NULL = "null"
ASKED = "asked."
"""Prefix of a key: the value in the config, where the runner chose another one."""


def params_of(plan: Plan, environment: Mapping[str, Any]) -> dict[str, str]:
    """The config flattened to dotted keys, with the plan's values in place of `auto` and
    `null`, and the asked ones beside them. Without keys that are settled only once work begins,
    and without those that are not set.
    """
    recorded = plan.run.recorded
    asked, later = flatten(recorded), unsettled_of(plan)
    settled = {key: value for key, value in plan.settled.items() if value not in (None, NULL)}
    left_out = {*later, *_unset(recorded)}
    params = {key: value for key, value in asked.items() if key not in left_out}
    params |= add_asked(asked, settled)
    for role, found in environment["weights"].items():
        params[f"weights.{role}.sha256"] = str(found["sha256"])
    return with_lora_params(params, plan)


def unsettled_of(plan: Plan) -> dict[str, str]:
    """The keys that are settled only once work begins, with the values that were asked."""
    asked = flatten(plan.run.recorded)
    return {key: asked[key] for key, value in plan.settled.items() if value is None}


def add_asked(asked: Mapping[str, str], settled: Mapping[str, str]) -> dict[str, str]:
    """Settled values by key, and the asked ones by `asked.` and key where they differ."""
    differing = {
        f"{ASKED}{key}": asked[key]
        for key, value in settled.items()
        if asked.get(key, value) not in (value, NULL)
    }
    return {**settled, **differing}


def _unset(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """The dotted keys of a config whose value is null; a text "null" is none."""
    for name, value in values.items():
        if value is None:
            yield f"{before}{name}"
        elif isinstance(value, Mapping):
            yield from _unset(value, f"{before}{name}.")
