"""A key of the config with its explanation: what `runner.config.schema` is written in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, fields, is_dataclass
from typing import Any, get_type_hints

HELP = "help"
TAKES = "takes"
IDENTITY = "identity"
PROFILE = "profile"


def key(
    default: Any, explanation: str, *, takes: str = "", identity: bool = True, profile: str = ""
) -> Any:
    """A field of the schema.

    Args:
        default: its value where no config file sets it. A class or function is called anew for
            each config: for sections, lists and mappings.
        explanation: what the key decides and, where its values are names, what each of them means.
            `kandinsky keys` and docs/configuration.md show it.
        takes: the values that are allowed and their unit, where the type does not tell.
        identity: whether another value makes it another sweep; False: a resumed sweep may change
            it. Of a key that no section holds.
        profile: the field of `runner.planning.profile.ExecutionProfile` that it decides: it says
            how a cell is run, which no stage's key says whole. "": none.
    """
    metadata = {HELP: explanation, TAKES: takes, IDENTITY: identity, PROFILE: profile}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def keys_without_identity(schema: type[Any]) -> frozenset[str]:
    """The keys that may change between a sweep and its resumption."""
    return frozenset(one.name for one in fields(schema) if not one.metadata[IDENTITY])


def profile_keys(schema: type[Any], before: str = "") -> Iterator[tuple[str, str]]:
    """The dotted keys that say how a cell is run, each with the field of the profile it decides."""
    hints = get_type_hints(schema)
    for one in fields(schema):
        if one.metadata[PROFILE]:
            yield f"{before}{one.name}", one.metadata[PROFILE]
        if is_dataclass(section := hints[one.name]) and isinstance(section, type):
            yield from profile_keys(section, f"{before}{one.name}.")
