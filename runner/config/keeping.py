"""`workers.keep`: how long workers stay after a command, and the two ways to write it.

`workers` is a number, in files, sweeps and records, so Hydra cannot set a key below it without
losing the number. `workers_keep` is the key; `workers.keep` on the command line, and a mapping in a
file, stand for it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runner.errors import ConfigError

if TYPE_CHECKING:
    from runner.config.schema import Config

KEY, SAID = "workers_keep", "workers.keep"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = re.compile(r"(?P<number>\d{1,7})\s*(?P<unit>[smhd])")
LONGEST_DAYS = 7
OVERRIDE = re.compile(r"(?P<sign>\+{0,2})workers\.(?P<part>keep|count)=", re.DOTALL)


def with_own_key(argument: str) -> str:
    """The override; `workers.keep=10m` by the key that it stands for."""
    found = OVERRIDE.match(argument)
    if found is None:
        return argument
    key = KEY if found["part"] == "keep" else "workers"
    sign = "" if found["sign"] == "+" else found["sign"]
    return f"{sign}{key}={argument[found.end() :]}"  # `+`: what it stands for is there already


def own_key(key: str) -> str:
    """The key; `workers.keep` as the one that it stands for."""
    return with_own_key(f"{key}=").removesuffix("=")


def apart(plain: Mapping[str, Any]) -> Mapping[str, Any]:
    """Plain values of a config; a mapping of `workers` as the two keys that it stands for.

    Raises:
        ConfigError: it has other keys.
    """
    found = plain.get("workers")
    if not isinstance(found, Mapping):
        return plain
    if not found.keys() <= {"count", "keep"}:
        raise ConfigError("workers", dict(found), "has other keys than its two", "count, keep")
    kept = {KEY: found["keep"]} if "keep" in found else {}
    return {**plain, "workers": found.get("count", "auto"), **kept}


def check_keep(config: Config) -> float | None:
    """Seconds that workers stay after a command; None: they end with it.

    Raises:
        ConfigError: it is no duration, or this is a measurement or another system than Linux.
    """
    seconds = seconds_of(config.workers_keep)
    if seconds is None:
        return None
    if config.bench:
        problem = "bench=true measures, in a process of its own"
        raise ConfigError(SAID, config.workers_keep, problem, ["off"])
    if not sys.platform.startswith("linux"):
        raise ConfigError(SAID, config.workers_keep, "is not supported on this system", ["off"])
    return seconds


def seconds_of(value: object) -> float | None:
    """Seconds of a duration; None for `off`. Raises ConfigError where it is neither."""
    if value is None or value is False or value == "off":
        return None
    found = DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    seconds = int(found["number"]) * UNITS[found["unit"]] if found else 0
    if not 0 < seconds <= LONGEST_DAYS * UNITS["d"]:
        allowed = f"off, or a time such as 30s, 10m, 2h; at most {LONGEST_DAYS}d"
        raise ConfigError(SAID, value, "is no such time", allowed)
    return float(seconds)


def format_seconds(seconds: float) -> str:
    """A time in its largest whole unit: 600 is `10m`."""
    whole = round(seconds)
    unit = next((u for u in reversed(UNITS) if whole and whole % UNITS[u] == 0), "s")
    return f"{whole // UNITS[unit]}{unit}"
