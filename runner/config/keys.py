"""`key(...)`: a field of the schema with its explanation and metadata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, field, fields, is_dataclass, replace
from typing import Any, TypeVar, get_type_hints

from runner.system.files import expand_home

HELP = "help"
TAKES = "takes"
IDENTITY = "identity"
PROFILE = "profile"
PATH = "path"

T = TypeVar("T")


def key(
    default: Any,
    explanation: str,
    *,
    takes: str = "",
    identity: bool = True,
    profile: str = "",
    path: bool = False,
) -> Any:
    """A field of the schema.

    Args:
        default: its value where no config file sets it. A class or function is called for each
            config: for sections, lists and mappings.
        explanation: what the key decides and, where its values are names, what each means.
            `kandinsky keys` and docs/configuration.md show it.
        takes: allowed values and their unit, where the type does not tell.
        identity: whether another value makes another sweep; False: a resumed sweep may change it.
            For top-level keys only.
        profile: the field of `runner.planning.profile.ExecutionProfile` that it sets: how a cell
            runs, which is not fully part of any stage's key. "": none.
        path: whether a text is or may be a path, so that `~` at its beginning is the user's home.
    """
    takes = takes or ("a path" if path else "")
    metadata = {
        HELP: explanation, TAKES: takes, IDENTITY: identity, PROFILE: profile, PATH: path,
    }  # fmt: skip
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def keys_without_identity(schema: type[Any]) -> frozenset[str]:
    """The keys that may change between a sweep and its resumption."""
    return frozenset(one.name for one in fields(schema) if not one.metadata[IDENTITY])


def walk_keys(schema: type[Any], before: str = "") -> Iterator[tuple[str, Field[Any]]]:
    """All keys of a schema, dotted, each with its field; sections before what they hold."""
    hints = get_type_hints(schema)
    for one in fields(schema):
        name = f"{before}{one.name}"
        yield name, one
        if is_dataclass(section := hints[one.name]) and isinstance(section, type):
            yield from walk_keys(section, f"{name}.")


def profile_keys(schema: type[Any]) -> Iterator[tuple[str, str]]:
    """The dotted keys that set how a cell runs, each with its field of the profile."""
    for name, one in walk_keys(schema):
        if one.metadata[PROFILE]:
            yield name, one.metadata[PROFILE]


def schema_keys(schema: type[Any]) -> Iterator[str]:
    """All dotted keys of a schema."""
    return (name for name, _ in walk_keys(schema))


def expand_paths(section: T) -> T:
    """A copy of a section, or of a list or mapping of sections, with `~` replaced in all paths."""
    if isinstance(section, list):
        return [expand_paths(entry) for entry in section]  # type: ignore[return-value]
    if isinstance(section, dict):
        return {name: expand_paths(entry) for name, entry in section.items()}  # type: ignore[return-value]
    if not is_dataclass(section) or isinstance(section, type):
        return section
    changed: dict[str, Any] = {}
    for one in fields(section):
        value = getattr(section, one.name)
        if isinstance(value, str) and one.metadata.get(PATH):
            changed[one.name] = expand_home(value)
        elif isinstance(value, list | dict) or is_dataclass(value):
            changed[one.name] = expand_paths(value)
    return replace(section, **changed)
