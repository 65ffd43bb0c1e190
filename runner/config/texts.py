"""Checks of texts that no file, no record and no library could hold."""

from __future__ import annotations

import re
from collections.abc import Mapping

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
