"""The exception tree. One place prints it: `runner.system.exit`.

RunnerError                 any error of the runner's own; shown as one message, no traceback
├── ComposeError            exit 2   the config cannot be composed (from Python; `config.hydra`)
├── ConfigError             exit 2   a key of the config, or a combination of keys, is wrong
│   ├── UnknownValueError   exit 2   no cell can have the value: a misspelt name
│   └── WeightsError        exit 2   a checkpoint is missing, truncated, or not what was asked for
├── SeveralError           exit 2   several of these at once
├── SweepError              exit 2   some cells of a sweep are wrong; none was begun
├── StageError              exit 1   a stage failed while it ran
│   ├── NonFiniteError      exit 1   its latents or pixels hold NaN or infinity
│   ├── BatchTooLargeError  exit 1   several images at once took more memory than there is
│   └── RunFailedError      exit 1   from Python: a stage failed; holds the finished images
├── StorageError            exit 1   a result could not be written or read (disk full, permissions)
└── TrackingError           exit 1   MLflow records could not be kept or delivered
    └── StoreGoneError      exit 1   their database was deleted or replaced since it was opened

Interrupted                 exit 130 / 143   Ctrl-C or SIGTERM; a KeyboardInterrupt, so that no
                            `except Exception` on the way swallows it
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


class RunnerError(Exception):
    """Any error for the user to read. `exit_status` is the exit status of the process."""

    exit_status = 1


class ComposeError(RunnerError):
    """Hydra could not compose the config; the message names the key, the value, what is allowed."""

    exit_status = 2


class ConfigError(RunnerError):
    """A wrong key, value or combination, found before any weight is read.

    Args:
        key: the config key to change, as it is written on the command line.
        value: what it was set to.
        problem: what is wrong with that, as the end of a sentence.
        allowed: what it may be instead: a list of values, or words.
    """

    exit_status = 2

    def __init__(
        self,
        key: str,
        value: object,
        problem: str,
        allowed: Iterable[object] | str | None = None,
    ) -> None:
        self.key = key
        self.value = value
        self.problem = problem
        self.allowed = allowed
        super().__init__(self._message())

    def _message(self) -> str:
        message = f"{self.key}={format_value(self.value)}: {self.problem}{_dangling(self.value)}"
        if self.allowed is None:
            return message
        if isinstance(self.allowed, str):
            return f"{message}\n  allowed: {self.allowed}"
        return f"{message}\n  allowed: {', '.join(str(option) for option in self.allowed)}"


def _dangling(value: object) -> str:
    """A line on the link that a path leads through, where that leads nowhere. Of a link that is
    seen in its folder, `no such file` alone would not be believed.
    """
    if not isinstance(value, (str, Path)):
        return ""
    try:
        if not Path(value).exists():
            for path in (Path(value), *Path(value).parents):
                if path.is_symlink():
                    return f"\n  {path} is a link to {path.readlink()}, which leads nowhere"
    except (OSError, ValueError):
        pass  # no path at all, or one that may not be looked at
    return ""


class UnknownValueError(ConfigError):
    """A value that no cell can have, whatever its others are, such as a misspelt name:
    `skip_invalid` leaves no cell out for it.
    """


class WeightsError(ConfigError):
    """A checkpoint that is missing, unreadable, truncated or of another model."""


class SeveralError(RunnerError):
    """Several things are wrong, each with a message of its own."""

    exit_status = 2


def raise_all(errors: Sequence[RunnerError]) -> None:
    """Raise the error, or one with the messages of all of them; nothing where there is none."""
    messages = list(dict.fromkeys(map(str, errors)))
    if len(messages) == 1:
        raise errors[0]
    if messages:
        raise SeveralError("\n".join(messages))


class SweepError(RunnerError):
    """Some cells of a sweep are wrong; the message names each, grouped by fault.

    No cell was begun.
    """

    exit_status = 2


class StageError(RunnerError):
    """A stage failed while it ran; the stages that do not depend on it went on."""


class NonFiniteError(StageError):
    """Latents, embeddings or pixels hold NaN or infinity: diffusers would give a black image."""


class BatchTooLargeError(StageError):
    """A call for several images ran out of memory; smaller ones may not."""


class RunFailedError(StageError):
    """A stage failed; `run` (a `runner.api.Run`) has the finished images, and `sweep` (a
    `runner.api.Sweep`, or None) all runs of its sweep.
    """

    def __init__(self, message: str, run: Any, sweep: Any = None) -> None:
        self.run = run
        self.sweep = sweep
        super().__init__(message)


class StorageError(RunnerError):
    """A result could not be written or read back."""


class TrackingError(RunnerError):
    """The tracking store could not be reached, or refused a record."""


class StoreGoneError(TrackingError):
    """The database was deleted, or replaced by another one, since it was opened."""


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop: `signal_number` is SIGINT or SIGTERM."""

    def __init__(self, signal_number: int = signal.SIGINT) -> None:
        self.signal_number = signal_number
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")

    @property
    def exit_status(self) -> int:
        """The shell's convention: 128 + the signal's number."""
        return 128 + self.signal_number


def format_value(value: object) -> str:
    """Format a value for a message: as the user wrote it, on one line; texts shortened."""
    if isinstance(value, Path):
        return str(value)
    text = "null" if value is None else str(value)
    text = " ".join(text.split()) if text.strip() else repr(text)
    return text if len(text) <= 120 else text[:117] + "..."
