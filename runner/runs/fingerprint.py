"""Fingerprints of cells, by which a resumed sweep is recognised."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection

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
    config = {k: v for k, v in plan.run.composed.items() if k not in left_out}
    images = [(image.node.key, image.request.prompt, image.request.seed) for image in plan.images]
    return hash_of([config, images])


def hash_of(content: object) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
