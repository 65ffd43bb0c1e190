"""What argparse finds wrong with a command's arguments, in our words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from runner.errors import ConfigError
from runner.system.text import with_near

OF_ONE = re.compile(r"argument (?P<name>[^:]+): (?P<problem>.*)", re.DOTALL)
CHOICE = re.compile(r"invalid choice: (?P<value>.*?) \(choose from (?P<choices>.*)\)", re.DOTALL)
MISSING = "the following arguments are required: "
UNKNOWN = "unrecognized arguments: "


def argument_error(
    message: str, flags: Sequence[str], help_of: Callable[[str], str | None], usage: str
) -> ConfigError:
    """The error that a message of `ArgumentParser.error` tells of.

    Args:
        message: as argparse words it.
        flags: those that the command has: `--size`.
        help_of: what an argument may be, by its name in the message: `--size` or `folder`.
        usage: how the command is called, on one line.
    """
    if found := OF_ONE.fullmatch(message):
        return _of_one(found["name"], found["problem"], help_of)
    if message.startswith(MISSING):
        name = message.removeprefix(MISSING).split(", ")[0]
        return ConfigError("argument", name, "is missing", help_of(name))
    if message.startswith(UNKNOWN):
        return unknown_argument(message.removeprefix(UNKNOWN).split(" "), flags, usage)
    return ConfigError("arguments", message, "cannot be read", usage)


def unknown_argument(unknown: Sequence[str], flags: Sequence[str], usage: str) -> ConfigError:
    """The error of arguments that a command does not have: of the first flag, or the first one.

    Args:
        flags, usage: as of `argument_error`.
    """
    flag = next((one.partition("=")[0] for one in unknown if one.startswith("-")), None)
    if flag is None:
        return ConfigError("argument", unknown[0], "is one too many", usage)
    return ConfigError("flag", flag, with_near("no such flag", flag, flags), flags)


def _of_one(name: str, problem: str, help_of: Callable[[str], str | None]) -> ConfigError:
    flag = name.split("/")[0]
    if choice := CHOICE.fullmatch(problem):
        value, choices = choice["value"].strip("'"), choice["choices"].replace("'", "").split(", ")
        return ConfigError(
            flag.lstrip("-"), value, with_near("is not known", value, choices), choices
        )
    if problem.startswith("expected"):
        return ConfigError("flag", flag, "needs a value", help_of(name))
    if problem.startswith("ignored explicit argument"):
        return ConfigError("flag", flag, "takes no value", f"{flag} alone")
    return ConfigError("flag", flag, problem, help_of(name))
