"""Fingerprints of cells, by which a resumed sweep is recognised."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from runner.config.keys import keys_without_identity
from runner.config.schema import Config
from runner.planning.plan import Plan

NOT_IDENTITY = keys_without_identity(Config)
"""Keys of the config that may change between a sweep and its resumption."""


def fingerprint(plan: Plan, axes: Collection[str] = ()) -> str:
    """A hash of what identifies a cell: the results it needs, and the config it is logged with.

    Args:
        axes: the keys that the sweep varies; they always count.
    """
    left_out = NOT_IDENTITY.difference(axes)
    config = {k: v for k, v in _as_settled(plan, axes).items() if k not in left_out}
    if "tracking.images" not in axes:
        config["tracking"] = _without_images(config["tracking"])
    images = [(image.node.key, image.request.prompt, image.request.seed) for image in plan.images]
    return hash_of([config, images])


def _as_settled(plan: Plan, axes: Collection[str]) -> Mapping[str, Any]:
    """The config, with the scheduler that `checkpoint` stands for by its name, unless the sweep
    varies it: so what was begun when that was the default, or by its name, is gone on with.
    """
    config, settled = plan.run.composed, plan.scheduler
    if settled.spec is None or settled.name == settled.asked:
        return config
    if any(key.partition(".")[0] in ("scheduler", "weights") for key in axes):
        return config
    weights = {key: value for key, value in config["weights"].items() if key != "scheduler"}
    scheduler = {**config["scheduler"], "name": settled.name}
    return {**config, "weights": weights, "scheduler": scheduler}


def _without_images(tracking: Any) -> Any:
    """Where records go, without how pictures do: a sweep goes on with another way, also one that
    was begun before there was a choice.
    """
    if not isinstance(tracking, Mapping):
        return tracking
    return {name: value for name, value in tracking.items() if name != "images"}


def stem(config: Mapping[str, Any], apart: Collection[str]) -> str:
    """A hash of a cell's config without some keys, by which cells are no others."""
    return hash_of({key: value for key, value in config.items() if key not in apart})


def hash_of(content: object) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
