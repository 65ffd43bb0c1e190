"""Writes the settings of `axes` as overrides of cells, and what cells lack of each other's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from hydra.errors import HydraException

from runner.config.axes import Settings
from runner.config.cell import Cell
from runner.config.files import config_dir
from runner.config.hydra.meaning import PARSER
from runner.config.overrides import as_override, assigned
from runner.config.recorded import MISSING, value_at
from runner.config.run_config import RunConfig
from runner.errors import ConfigError, RunnerError

Lacking: TypeAlias = "Callable[[RunConfig, Sequence[str]], list[str]]"
"""Gives a cell's own values of keys, as overrides."""


def overrides_of_settings(settings: Settings) -> list[str]:
    """One override for each key, as it would be typed."""
    return [override(key, value) for key, value in settings.items()]


def override(key: str, value: Any) -> str:
    """An override of a value; texts without quotes where that reads the same."""
    if isinstance(value, bool) and (config_dir() / key.lstrip("+")).is_dir():
        value = "on" if value else "off"  # YAML reads the options of these names as truth values
    # What `axes` says is a text, whatever is in it: `${` begins no interpolation there.
    if isinstance(value, str | list) and value and "${" not in str(value):
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
            pairs = (text.partition("=") for overrides in part for text in overrides)
            values = dict.fromkeys(v for key, _, v in pairs if key.lstrip("+") == common[0])
            raise ConfigError(
                common[0], ",".join(values),
                "is in two axes: in `axes` or together with another key, and by itself",
                "one of both; axes=null for none of a file's",
            )  # fmt: skip
        known |= keys


def completed(cells: Sequence[Cell], lacking: Lacking) -> list[Cell]:
    """The cells, each with the keys of all: where only others set one, with its own value.

    So all that looks at cells by the values of keys (labels, comparisons, baselines) sees what
    differs between two cells, also where one of them says nothing of it.
    """
    if len({tuple(assigned(cell.overrides)) for cell in cells}) < 2:
        return list(cells)
    order = in_one_order([cell.overrides for cell in cells])
    found = []
    for cell in cells:
        own = {text.partition("=")[0]: text for text in cell.overrides}
        missing = [key for key in order if key not in own]
        if isinstance(cell.config, RunConfig) and missing:
            try:
                own |= dict(zip(missing, lacking(cell.config, missing), strict=True))
            except RunnerError as error:
                cell = replace(cell, config=error)
        found.append(replace(cell, overrides=tuple(own[key] for key in order if key in own)))
    return found


def own_values(run: RunConfig, choices: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    """Overrides of keys with a cell's own values.

    Args:
        choices: the options of its groups.

    Raises:
        ConfigError: what it has there is no value that could be set.
    """
    found = []
    for key in keys:
        value = choices[key] if key in choices else _own_value(run.recorded, key)
        if (key in choices and value is None) or value is MISSING or isinstance(value, Mapping):
            problem = "is set in some of the cells alone, and the others have no such value"
            its = None if value is MISSING else value
            raise ConfigError(key, its, problem, "a value in each entry of axes")
        found.append(override(key, value))
    return found


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


def _own_value(config: Mapping[str, Any], key: str) -> Any:
    """A key's value in a recorded config; null where its section leaves it out."""
    section = key.lstrip("+").rpartition(".")[0]
    found = value_at(config, key)
    left_out = not section or isinstance(value_at(config, section), Mapping)
    return None if found is MISSING and left_out else found
