"""Converts Python values to Hydra overrides, and overrides to keys and values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any


def overrides_of(keys: Mapping[str, Any], prefix: str = "") -> list[str]:
    """{"decoder": {"guidance_scale": 3}, "scheduler": "ddpm"} -> one override for each value."""
    found: list[str] = []
    for name, value in keys.items():
        if isinstance(value, Mapping):
            found += overrides_of(value, f"{prefix}{name}.")
        else:
            found.append(f"{prefix}{name}={as_override(value)}")
    return found


def as_override(value: Any) -> str:
    """Write a value in Hydra's grammar (https://hydra.cc/docs/advanced/override_grammar/basic/)."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        return quoted(str(value))
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}: {as_override(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(as_override, value)) + "]"
    raise TypeError(f"{value!r} is no value of a config")


def assigned(overrides: Iterable[str]) -> dict[str, str]:
    """["a=1", "b.c=x=y", "~d"] -> {"a": "1", "b.c": "x=y", "~d": ""}: keys and values as texts."""
    return {key: value for key, _, value in (text.partition("=") for text in overrides)}


def quoted(text: str) -> str:
    """A text in single quotes, as Hydra reads it back."""
    # Within quotes a quote is escaped, and so are the backslashes right before one; `${` would be
    # an interpolation.
    escaped = re.sub(r"(\\*)('|$)", lambda match: match[1] * 2 + ("\\'" if match[2] else ""), text)
    return "'" + escaped.replace("${", "\\${") + "'"
