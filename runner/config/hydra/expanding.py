"""Writes the settings of `axes` as overrides of cells, and what cells lack of each other's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from runner.config.axes import Settings
from runner.config.files import config_dir
from runner.config.overrides import as_override
from runner.errors import ConfigError

PARSER = OverridesParser.create()


def overrides_of_settings(settings: Settings) -> list[str]:
    """One override for each key, as it would be typed."""
    return [override(key, value) for key, value in settings.items()]


def override(key: str, value: Any) -> str:
    """An override of a value; texts without quotes where that reads the same."""
    if isinstance(value, bool) and (config_dir() / key.lstrip("+")).is_dir():
        value = "on" if value else "off"  # YAML reads the options of these names as truth values
    if isinstance(value, str | list) and value:
        plain = f"{key}={_plain(value, key)}"
        try:
            parsed = PARSER.parse_override(plain)
        except HydraException:
            pass
        else:
            if not parsed.is_sweep_override() and parsed.value() == value:
                return plain
    return f"{key}={as_override(value, key)}"


def _plain(value: Any, key: str) -> str:
    """A value without quotes, which may read as another one."""
    if isinstance(value, list):
        return f"[{','.join(_plain(one, key) for one in value)}]"
    return value if isinstance(value, str) else as_override(value, key)


def check_apart(parts: Iterable[Sequence[Sequence[str]]]) -> None:
    """Check that no two axes have a key in common.

    Args:
        parts: by axis, the overrides of each of its settings.

    Raises:
        ConfigError: a key is in two of them.
    """
    known: set[str] = set()
    for part in parts:
        keys = {text.partition("=")[0].lstrip("+") for overrides in part for text in overrides}
        if common := sorted(keys & known):
            raise ConfigError(
                common[0], "...", "is in two axes: in `axes` or together with another key, and by "
                "itself", "one of both; axes=null for none of a file's",
            )  # fmt: skip
        known |= keys


def in_one_order(cells: Sequence[Sequence[str]]) -> list[str]:
    """The keys of all cells, each where it first stands among the others of its cell."""
    order: list[str] = []
    known: set[str] = set()
    for overrides in dict.fromkeys(tuple(text.partition("=")[0] for text in c) for c in cells):
        place = 0
        for key in overrides:
            if key in known:
                place = order.index(key) + 1
            else:
                order.insert(place, key)
                known.add(key)
                place += 1
    return order


def leaf_of(config: Mapping[str, Any], key: str) -> Any:
    """A key's value in a recorded config; null where its section leaves it out.

    Raises:
        KeyError: there is no such section.
    """
    *sections, name = key.lstrip("+").split(".")
    at: Any = config
    for section in sections:
        at = at.get(section) if isinstance(at, Mapping) else None
    if not isinstance(at, Mapping):
        raise KeyError(key)
    return at.get(name)
