"""A key of the config with its explanation: what `runner.config.schema` is written in."""

from __future__ import annotations

from dataclasses import field
from typing import Any

HELP = "help"
TAKES = "takes"


def key(default: Any, explanation: str, *, takes: str = "") -> Any:
    """A field of the schema.

    Args:
        default: its value where no config file sets it. A class or function is called anew for
            each config: for sections, lists and mappings.
        explanation: what the key decides and, where its values are names, what each of them means.
            `kandinsky keys` and docs/configuration.md show it.
        takes: the values that are allowed and their unit, where the type does not tell.
    """
    metadata = {HELP: explanation, TAKES: takes}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)
