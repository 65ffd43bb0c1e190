"""Converts Python values to Hydra overrides, and overrides to keys and values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from runner.errors import ConfigError

INTERPOLATION = re.compile(r"(\\*)\$\{")
NAME = re.compile(r"\+{0,2}[A-Za-z_][\w./@-]*")
ENTRY = re.compile(r"[A-Za-z_]\w*")
DEEPEST = 20
"""Levels of lists and mappings in each other; no key has more than five."""
LARGEST = 2**63 - 1
MOST = 10**7
"""Numbers of a range."""

ESCAPED = re.compile(r"\\([\\()\[\]{}:=, \t])")
"""A character that Hydra writes so in a text without quotes."""

UNQUOTED_HOME = re.compile(
    r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|(?<=[=,\[ ])(~[\w.-]*(?:/[^,\]}\s'"]*)?)(?=[,\]}]|$)"""
)
"""Texts in quotes, and (as a group) paths without."""


def overrides_of(keys: Mapping[str, Any], prefix: str = "") -> list[str]:
    """{"decoder": {"guidance_scale": 3}, "scheduler": "ddpm"} -> one override for each value.

    Raises:
        ConfigError: a name or a value is none that a config can hold.
    """
    found: list[str] = []
    for name, value in keys.items():
        key = f"{prefix}{name}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ConfigError(key, value_shown(value), "is no name of a key", "a name, as text")
        if isinstance(value, Mapping) and value and key.count(".") < DEEPEST:
            found += overrides_of(value, f"{key}.")
        else:
            found.append(f"{key}={as_override(value, key)}")
    return found


def as_override(value: Any, key: str = "value", depth: int = 0) -> str:
    """Write a value in Hydra's grammar (https://hydra.cc/docs/advanced/override_grammar/basic/).

    Numbers and arrays of numpy and torch count as those of Python, and ranges as lists.

    Raises:
        ConfigError: it is no value of a config.
    """
    if depth > DEEPEST:
        raise ConfigError(key, value_shown(value), "is nested too deeply")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, str | Path):
        return quoted(str(value), key)
    if type(value) is float:
        return repr(value)
    if isinstance(value, Integral):
        return _whole(int(value), key)
    if hasattr(value, "tolist"):  # of numpy and torch
        return as_override(value.tolist(), key, depth + 1)
    if isinstance(value, Real):
        return repr(float(value))
    if isinstance(value, Mapping):
        return "{" + ",".join(_entry(*item, key, depth) for item in value.items()) + "}"
    if isinstance(value, list | tuple | range):
        if isinstance(value, range) and len(value) > MOST:
            raise ConfigError(key, value, f"has {len(value)} numbers", f"up to {MOST}")
        return "[" + ",".join(as_override(item, key, depth + 1) for item in value) + "]"
    raise ConfigError(
        key, value_shown(value), f"is {type(value).__name__}, which is no value of a config",
        "a text, a number, true, false, null, a list, a mapping",
    )  # fmt: skip


def value_shown(value: object) -> str:
    """A value for a message, whatever it is."""
    try:
        return repr(value)
    except Exception as error:  # a number of thousands of digits, or a user's own __repr__
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _entry(name: object, value: Any, key: str, depth: int) -> str:
    if not isinstance(name, str) or not ENTRY.fullmatch(name):
        raise ConfigError(key, value_shown(name), "is no name of a key", "a name, as text")
    return f"{name}: {as_override(value, key, depth + 1)}"


def _whole(number: int, key: str) -> str:
    if abs(number) > LARGEST:
        raise ConfigError(key, f"{number:.3g}" if abs(number) < 10**300 else "1e300 or more",
                          "is too large a number", f"up to {LARGEST}")  # fmt: skip
    return str(number)


def quote_home(argument: str) -> str:
    """An override with quotes around paths that begin with `~`, which Hydra's grammar lacks."""
    return UNQUOTED_HOME.sub(lambda match: f"'{match[1]}'" if match[1] else match[0], argument)


def assigned(overrides: Iterable[str]) -> dict[str, str]:
    """["a=1", "b.c=x=y", "~d"] -> {"a": "1", "b.c": "x=y", "~d": ""}: keys and values as texts."""
    return {key: value for key, _, value in (text.partition("=") for text in overrides)}


def is_within(key: str, said: Iterable[str]) -> bool:
    """Whether a key, or the section or the group's option that it is in, is among those said."""
    return any(key == one or key.startswith(f"{one}.") for one in said)


def shown_value(text: str) -> str:
    """An override's value as it is shown: of a text what it means, without quotes and escapes."""
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
        return unquoted(text)
    return text if text[:1] in "[{" else ESCAPED.sub(r"\1", text)


def shown_values(values: Iterable[str]) -> dict[str, str]:
    """By value as it was typed, what is shown of it: its text, unless another one shows as that."""
    found = {value: shown_value(value) for value in values}
    texts = list(found.values())
    return {value: text if texts.count(text) == 1 else value for value, text in found.items()}


def listed(values: Collection[str]) -> str:
    """Values with commas between them, as they are shown, unless one has a comma of its own."""
    texts = shown_values(values).values()
    return ", ".join(values if any("," in text for text in texts) else texts)


def unquoted(text: str) -> str:
    """The text that an override's value is, which is in quotes: what `quoted` was given."""
    quote = text[0]
    halved = re.sub(
        rf"(\\+)({quote}|$)", lambda match: "\\" * (len(match[1]) // 2) + match[2], text[1:-1]
    )
    return INTERPOLATION.sub(lambda match: "\\" * (len(match[1]) // 2) + "${", halved)


def quoted(text: str, key: str = "value") -> str:
    """A text in single quotes, as Hydra reads it back. Raises ConfigError for one with a zero."""
    # Within quotes a quote is escaped, and so are the backslashes right before one; `${` would be
    # an interpolation.
    if "\0" in text:
        raise ConfigError(key, text.replace("\0", "\\0"), "holds a zero character")
    literal = INTERPOLATION.sub(r"\1\1\\${", text)
    escaped = re.sub(
        r"(\\*)('|$)", lambda match: match[1] * 2 + ("\\'" if match[2] else ""), literal
    )
    return f"'{escaped}'"
