"""Keys that are on, off, or left to the runner. YAML reads on and off as truth values."""

from __future__ import annotations

from runner.config.choices import Graphs
from runner.errors import UnknownValueError

AUTO = "auto"


def check_graphs(value: object) -> Graphs:
    """`graphs` as a config or a command gives it. Raises ConfigError."""
    if isinstance(value, bool):
        return Graphs.on if value else Graphs.off
    if isinstance(value, str) and value in Graphs.__members__:
        return Graphs[value]
    raise UnknownValueError("graphs", value, "is no choice", Graphs)


def check_channels_last(value: object) -> bool | None:
    """`channels_last` as a config or a command gives it; None: `auto`. Raises ConfigError."""
    if value == AUTO:
        return None
    if isinstance(value, bool):
        return value
    raise UnknownValueError("channels_last", value, "is no choice", ("true", "false", AUTO))
