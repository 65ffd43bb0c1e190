"""What texts of values mean, which the key decides: `4` is a number of steps, or a prompt."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from functools import cache, lru_cache
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import yaml
from omegaconf._utils import get_yaml_loader

from runner.config.files import config_dir
from runner.config.overrides import shown_value
from runner.config.schema import Config

SWITCH = {"yes": True, "y": True, "on": True, "true": True}
SWITCH |= {"no": False, "n": False, "off": False, "false": False}
"""Words that are taken for truth values where a key is no text, in any case of letters."""
ENTRY = re.compile(r"\.\d+\.")
"""The number of a list's entry, in a key."""


def typed(key: str, text: str) -> Any:
    """A value as a config file would give it; of a key whose values are texts, the text."""
    return text if str in _types_of(key) else _as_yaml(text, get_yaml_loader())


@lru_cache(4096)
def meaning(key: str, text: str) -> Hashable:
    """What an override's value means, to compare it with others of its key: 4 is 4.0, on is true,
    'a text' is "a text"; texts that look like numbers or truth values are texts.
    """
    key = key.lstrip("+")
    types = _types_of(key)
    if NoneType in types and text.lower() == "null":
        return _hashable(None)
    found = _as_yaml(text, yaml.BaseLoader) if str in types else typed(key, text)
    if text[:1] not in ("[", "{") and (str in types or isinstance(found, str | list | dict)):
        found = shown_value(text)
    if isinstance(found, str) and str not in types:
        found = SWITCH.get(found.lower(), found)  # in quotes, too: as records have `corrections`
    return _hashable(bool(found) if isinstance(found, int) and bool in types else found)


def one_of(key: str, value: str, known: Iterable[str]) -> str | None:
    """How a value is written among those that are known; None: it is none of them."""
    if value in (known := tuple(known)):
        return value
    meant = meaning(key, value)
    return next((one for one in known if meaning(key, one) == meant), None)


def as_shown(key: str, value: str, shown: Collection[str]) -> str:
    """A value as it is among those that are shown, however it is typed."""
    return one_of(key, value, shown) or shown_value(value)


def _as_yaml(text: str, loader: Any) -> Any:
    """What a text is as YAML; the text, where it is none, or names parts of itself (`&`), by which
    a short one may hold more than there is memory for.
    """
    try:
        return text if "&" in text else yaml.load(text, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError):  # no such date, or too many digits
        return text


def _hashable(value: Any) -> Hashable:
    if isinstance(value, Mapping):
        return frozenset((name, _hashable(own)) for name, own in value.items())
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    return isinstance(value, bool), value  # for Python True is 1, too


def _types_of(key: str) -> frozenset[Any]:
    return _types().get(ENTRY.sub(".0.", key), frozenset())


@cache
def _types() -> Mapping[str, frozenset[Any]]:
    """By key, the types of its values; of groups, and of keys that may hold texts, str."""
    found = {}
    for name, hint in _hints(Config):
        found[name] = frozenset((hint, *get_args(hint)))
        if name in ("prompt", "weights") or (config_dir() / name).is_dir():
            found[name] = frozenset({str, NoneType})
    return found


def _hints(section: type[Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """All keys of a section with their types; of lists of sections, those of the first entry."""
    for name, hint in get_type_hints(section).items():
        key = f"{before}{name}"
        yield key, hint
        if get_origin(hint) is list:
            (hint,), key = get_args(hint), f"{key}.0"
        if is_dataclass(hint) and isinstance(hint, type):
            yield from _hints(hint, f"{key}.")
