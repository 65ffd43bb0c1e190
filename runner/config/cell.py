"""A cell: one combination of a sweep's values."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runner.config.run_config import RunConfig
from runner.errors import RunnerError


@dataclass(frozen=True)
class Cell:
    """One combination of a sweep's values: its number from 0, its overrides in the sweep, and
    its config, or the error in that.

    Attributes:
        asked: its number in the command, where it has another one in the sweep that it joins.
    """

    number: int
    overrides: tuple[str, ...]
    config: RunConfig | RunnerError
    asked: int | None = None

    def numbered(self, number: int) -> Cell:
        """The same with another number."""
        return replace(self, number=number, asked=self.number_asked)

    @property
    def number_asked(self) -> int:
        """Its number in the command."""
        return self.number if self.asked is None else self.asked
