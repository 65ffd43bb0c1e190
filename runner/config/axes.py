"""`axes`: a union of products of values. Each entry of the list is a product.

    axes:
      - scheduler: [ddim, ddpm]                  # a list: each of its values
        height,width: [[64, 128], [128, 64]]     # several keys: they change together
      - scheduler: lcm                           # further cells
        decoder.num_inference_steps: [4, 8]

As scikit-learn's ParameterGrid takes a list of grids, and pytest's parametrize names of arguments
that go together.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from omegaconf._utils import get_yaml_loader

from runner.config.excluding import is_said
from runner.config.keeping import own_key
from runner.config.overrides import DEEPEST, NAME
from runner.config.record_files import read_records
from runner.config.templates import KEY as TEMPLATE
from runner.config.templates import REPLACE, prompts_of_template, replacements
from runner.errors import ConfigError

Settings: TypeAlias = "Mapping[str, Any]"
"""Keys with the values that they have together."""

KEY = "axes"
ALLOWED = '{key: [value, value]}, or a list of these; {"key,key": [[value, value], ...]}'


def settings_of(value: object) -> list[Settings]:
    """The combinations that `axes` means, each once, entry after entry; within an entry the last
    key changes fastest.

    Args:
        value: a list of entries or one entry, or such in YAML as a text. An entry is a mapping, or
            the path of a file of records.

    Raises:
        ConfigError: it is none of this, or names a key twice.
    """
    if isinstance(value, str):
        value = _parsed(value, value)
    entries = value if isinstance(value, list) else [value]
    found: dict[str, Settings] = {}
    for one in (one for entry in entries for one in _combinations(entry)):
        found.setdefault(json.dumps(one, sort_keys=True, default=str), one)
    if not found:
        raise ConfigError(KEY, "[]", "says no cell", ALLOWED)
    return list(found.values())


def without(
    settings: Iterable[Settings], said: Collection[str], task: str | None
) -> list[Settings]:
    """The settings of a file without the keys that are said beside it, which wins as everywhere,
    and without those that exclude them; each once.

    Args:
        said: keys, and groups, whose option takes their keys with it.
        task: of the settings that name none; None: there are several.
    """
    kept = [
        {k: own for k, own in one.items() if not is_said(k, said, one.get("task", task))}
        for one in settings
    ]
    return list({json.dumps(one, sort_keys=True, default=str): one for one in kept if one}.values())


def together(argument: str) -> list[Settings]:
    """The settings of an axis of several keys: `height,width=[64,128],[128,64]`.

    Raises:
        ConfigError: its values are not lists of as many.
    """
    keys, _, written = argument.partition("=")
    return _combinations({keys: _parsed(f"[{written}]", argument)})


def _combinations(entry: object) -> list[Settings]:
    if isinstance(entry, str):
        return read_records(Path(entry).expanduser())
    if not isinstance(entry, Mapping):
        raise ConfigError(KEY, entry, "is no mapping of keys to values", ALLOWED)
    dimensions = [_values(str(key), value) for key, value in _flat(entry)]
    keys = [key for dimension in dimensions for key in dimension[0]]
    for key in keys:
        check_key(key, KEY)
        if keys.count(key) > 1:
            raise ConfigError(KEY, key, "is named twice in an entry", "each key once")
    products = itertools.product(*dimensions)
    return [{k: v for part in one for k, v in part.items()} for one in products]


def check_key(key: str, where: str) -> None:
    """Check that a key may be set for a cell. Raises ConfigError."""
    if not NAME.fullmatch(key):
        raise ConfigError(where, key, "is no name of a key", "a name such as scheduler.eta")
    own = key.lstrip("+")
    if own.partition(".")[0].partition("/")[0] in ("hydra", KEY, "skip_invalid"):
        raise ConfigError(where, key, "is the same for all cells of a sweep", "keys of a cell")
    if own == "tracking.uri":  # it may hold a password, and what is told of axes is told whole
        raise ConfigError(where, key, "is set beside axes", "-m tracking.uri=...,...")


def _flat(entry: Mapping[Any, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Sections within an entry are as keys with dots."""
    for key, value in entry.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping) and value and name != REPLACE and name.count(".") < DEEPEST:
            yield from _flat(value, f"{name}.")
        else:
            yield own_key(name), value


def _values(written: str, value: Any) -> list[dict[str, Any]]:
    """The values of a key; of several keys, those that go together."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ConfigError(KEY, f"{written}: []", "has no value", ALLOWED)
    if written == TEMPLATE:
        return [{"prompt": text} for text in prompts_of_template(value)]
    if written == REPLACE and isinstance(value, Mapping):
        return [{REPLACE: pair} for pair in replacements(value)]
    keys = [key.strip() for key in written.split(",")]
    if len(keys) == 1:
        return [{written: _one(written, own)} for own in values]
    for own in values:
        if not isinstance(own, list) or len(own) != len(keys):
            example = ", ".join("value" for _ in keys)
            raise ConfigError(written, own, f"is no list of {len(keys)} values", f"[{example}]")
    return [dict(zip(keys, own, strict=True)) for own in values]


def _one(key: str, value: Any) -> Any:
    if value is None and ":" in key:
        raise ConfigError(KEY, key, "has no value", "a space after the colon: {key: value}")
    return value


def _parsed(text: str, shown: str) -> object:
    try:
        return yaml.load(text, Loader=get_yaml_loader())
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(KEY, shown, f"cannot be read as YAML: {problem}", ALLOWED) from error
