"""The reference of the config: every key and option with its explanation.

Explanations of keys are in the schema; an option's is the comment at the top of its file;
defaults are those of the config files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from omegaconf import MISSING, OmegaConf

from runner.config.files import config_dir
from runner.config.keys import HELP, PATH, TAKES
from runner.config.schema import Config

OPEN_GROUPS = ("weights",)
"""Groups with more options than files, so files do not tell which options take a key."""

TYPES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}


@dataclass(frozen=True)
class Option:
    """An option of a group: a file of the config tree.

    Attributes:
        keys: which of the group's keys the file sets.
    """

    group: str
    name: str
    explanation: str
    keys: frozenset[str]


@dataclass(frozen=True)
class Key:
    """A key of the config.

    Attributes:
        name: dotted; `[n]` stands for an entry of a list, `<name>` for one of a mapping.
        explanation: as in the schema.
        takes: the values that are allowed; "" for a section, which is not set itself.
        default: as in the config files, `${...}` where it follows another key; "" where each
            entry must set it, and for a section.
        options: the options of its group that take it, where not all of them do.
        path: whether it is or may be a path.
    """

    name: str
    explanation: str
    takes: str
    default: str
    options: tuple[str, ...] = ()
    path: bool = False

    @property
    def group(self) -> str:
        """The first part of its name."""
        return self.name.partition(".")[0]


def groups() -> dict[str, tuple[Option, ...]]:
    """The options of each group that sets keys of the schema, in the schema's order."""
    names = [field.name for field in dataclasses.fields(Config)]
    return {name: _options(name) for name in names if (config_dir() / name).is_dir()}


def keys() -> Iterator[Key]:
    """All keys of the schema, with sections, in its order."""
    yield from _keys_of(Config, "", _defaults())


def _keys_of(section: type[Any], prefix: str, defaults: Mapping[str, Any]) -> Iterator[Key]:
    hints = get_type_hints(section)
    for field in dataclasses.fields(section):
        name, hint = f"{prefix}{field.name}", hints[field.name]
        explanation = field.metadata.get(HELP, "")
        entries, suffix = _entries(hint)
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            yield Key(name, explanation, "", "")
            inside = defaults.get(field.name)
            yield from _keys_of(hint, f"{name}.", inside if isinstance(inside, dict) else {})
            continue
        default = defaults.get(field.name, _schema_default(field))
        takes = _takes(hint, field.metadata.get(TAKES, ""))
        is_path = field.metadata.get(PATH, False)
        yield Key(name, explanation, takes, _written(default), _options_with(name), is_path)
        if entries is not None:
            yield from _keys_of(entries, f"{name}{suffix}.", {})


def _entries(hint: Any) -> tuple[type[Any] | None, str]:
    """The section type of a list's or mapping's entries, and how an entry's key is written."""
    held = get_args(hint)[-1:] if get_origin(hint) in (list, dict) else ()
    if not held or not dataclasses.is_dataclass(held[0]):
        return None, ""
    assert isinstance(held[0], type)
    return held[0], "[n]" if get_origin(hint) is list else ".<name>"


def _takes(hint: Any, stated: str) -> str:
    """The allowed values in words: as stated, or from the type."""
    of = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    (kind, *_) = (one for one in of if one is not NoneType)
    null = ", or null" if NoneType in of else ""
    if stated:
        return f"{stated}{null}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"{', '.join(member.name for member in kind)}{null}"
    if get_origin(kind) is dict:
        return f"a mapping{null}"
    return f"{TYPES.get(kind, 'any value')}{null}"


def _schema_default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _written(value: Any) -> str:
    """A default as one would type it."""
    if value == MISSING:
        return ""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return value.name
    return str(value)


@cache
def _defaults() -> dict[str, Any]:
    """The config files composed with their defaults; no interpolation is resolved."""
    config = _read(config_dir() / "config.yaml")
    for chosen in config.pop("defaults"):
        if not isinstance(chosen, dict):
            continue
        ((group, option),) = chosen.items()
        if isinstance(option, str) and (config_dir() / group).is_dir():
            config[group] = _read(config_dir() / group / f"{option}.yaml")
    return config


@cache
def _options(group: str) -> tuple[Option, ...]:
    files = sorted((config_dir() / group).glob("*.yaml"))
    return tuple(
        Option(group, file.stem, _opening_comment(file), frozenset(_read(file))) for file in files
    )


def _options_with(name: str) -> tuple[str, ...]:
    group, _, key = name.partition(".")
    if not key or "." in key or group in OPEN_GROUPS or not (config_dir() / group).is_dir():
        return ()
    with_it = tuple(option.name for option in _options(group) if key in option.keys)
    return () if len(with_it) == len(_options(group)) else with_it


def _opening_comment(file: Path) -> str:
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines)


def _read(file: Path) -> dict[str, Any]:
    found = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}
