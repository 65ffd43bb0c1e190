"""First parts of keys, and which of them change no picture."""

from __future__ import annotations

from runner.config.keys import keys_without_identity
from runner.config.schema import Config

OF_NO_PICTURE = keys_without_identity(Config) | {
    "name", "question", "baseline", "objective", "tracking", "metrics", "cache", "hydra",
}  # fmt: skip
"""First parts of keys that say how a cell is run, recorded or measured."""


def head_of(key: str) -> str:
    """The first part of a key: of `+decoder.guidance_scale` it is `decoder`."""
    return key.lstrip("+~").partition(".")[0].partition("/")[0].partition("@")[0]
