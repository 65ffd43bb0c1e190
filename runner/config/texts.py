"""Checks of texts: those that nothing could hold, and those in place of something else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING
from functools import cache
from typing import Any

from runner.config.keys import walk_keys
from runner.config.schema import Config
from runner.errors import ConfigError

NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""NUL, which ends a path for the system; surrogates, which stand for bytes that are not UTF-8."""


def text_problem(text: str) -> str | None:
    """What is wrong with a text, as the end of a sentence; None: nothing."""
    found = NO_TEXT.search(text)
    if found is None:
        return None
    return "holds a NUL character" if found[0] == "\0" else "is no UTF-8 text"


def check_texts(value: object, key: str = "") -> None:
    """Raise ConfigError for the first text in a config, with its key, that has a problem."""
    if isinstance(value, str):
        if (problem := text_problem(value)) is not None:
            raise ConfigError(key, value, problem)
    elif isinstance(value, Mapping):
        for name, own in value.items():
            below = f"{key}.{name}" if key else str(name)
            check_texts(str(name), below)
            check_texts(own, below)
    elif isinstance(value, list):
        for number, own in enumerate(value):
            check_texts(own, f"{key}[{number}]")


def check_no_text(plain: Mapping[str, Any]) -> None:
    """Raise ConfigError for a text in place of a section, a list or its entries.

    OmegaConf does not check those that read like interpolations.

    Args:
        plain: a config, or some sections of one.
    """
    for key in _held_keys():
        value: Any = plain
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        inside = value.values() if isinstance(value, Mapping) else value
        held = inside if isinstance(inside, Iterable) and not isinstance(value, str) else [value]
        is_list = not isinstance(value, Mapping) or key == "metrics"
        if is_list and any(isinstance(text, str) and "${" in text for text in held):
            raise ConfigError(key, value, "is a text, which it does not take")


@cache
def _held_keys() -> tuple[str, ...]:
    """Keys of sections, lists and mappings."""
    return tuple(key for key, one in walk_keys(Config) if one.default_factory is not MISSING)
