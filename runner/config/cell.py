"""A cell: one combination of a sweep's values."""

from __future__ import annotations

from dataclasses import dataclass

from runner.config.run_config import RunConfig
from runner.errors import RunnerError


@dataclass(frozen=True)
class Cell:
    """One combination of a sweep's values: its number from 0, its overrides in the sweep, and
    its config, or the error in that.
    """

    number: int
    overrides: tuple[str, ...]
    config: RunConfig | RunnerError
