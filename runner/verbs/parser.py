"""The parser of a verb's arguments: what is wrong with one is told as of any key."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from runner.errors import ConfigError
from runner.system.arguments import argument_error, unknown_argument
from runner.system.text import with_near

NUMBERS: dict[object, str] = {int: "whole number", float: "number"}
WITHOUT_VALUE = ("store_true", "help")


class VerbParser(argparse.ArgumentParser):
    """An `ArgumentParser` whose errors are one ConfigError, without the verb's usage around it.

    Flags are written in full: an abbreviation would mean something else as soon as another flag
    begins so.

    Args:
        hands_on: `parse_known_args` returns what is not known, for another command.
    """

    def __init__(self, *args: Any, hands_on: bool = False, **settings: Any) -> None:
        self._hands_on = hands_on
        self._taken: list[argparse.Action] = []
        self._checks: list[tuple[argparse.Action, Callable[[Any], None]]] = []
        super().__init__(*args, **{"allow_abbrev": False, **settings})

    def add_argument(
        self, *names: str, check: Callable[[Any], None] | None = None, **settings: Any
    ) -> argparse.Action:
        """As of argparse, but that values are read here: argparse tells less of a wrong one.

        Args:
            check: of a value that is not the default, once all flags are known: behind a mistyped
                flag its value is taken for this one.
        """
        if settings.get("action") not in WITHOUT_VALUE:
            name = next((one for one in names if one.startswith("--")), names[0])
            key = name.lstrip("-") if name.startswith("-") else settings.get("metavar", name)
            settings["type"] = _reader(key, settings)
        self._taken.append(super().add_argument(*names, **settings))
        if check is not None:
            self._checks.append((self._taken[-1], check))
        return self._taken[-1]

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As of argparse, which has the outermost parser tell what a subparser does not know: here
        each tells its own, with its own flags.
        """
        options, unknown = super().parse_known_args(args, namespace)
        if self._hands_on:
            return options, unknown
        error = unknown_argument(unknown, self._flags(), self._usage()) if unknown else None
        if error is not None and error.key == "flag":
            raise error
        for one, check in self._checks:
            if (value := getattr(options, one.dest)) is not one.default:
                check(value)
        if error is not None:
            raise error
        return options, []

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found, as a ConfigError."""
        raise argument_error(message, self._flags(), self._help_of, self._usage())

    def _flags(self) -> list[str]:
        names = (name for one in self._taken for name in one.option_strings)
        return [name for name in names if name.startswith("--")]

    def _usage(self) -> str:
        return " ".join(self.format_usage().removeprefix("usage: ").split())

    def _help_of(self, name: str) -> str | None:
        """How an argument is written, and what the verb's help says of it."""
        for one in self._taken:
            flag = "/".join(one.option_strings)
            if name in (flag, one.metavar, one.dest) and one.help:
                said = one.help % {"default": one.default}
                value = one.metavar or one.dest.upper()
                return f"{one.option_strings[0]} {value}: {said}" if flag else said
        return None


def _reader(key: str, settings: Mapping[str, Any]) -> Callable[[str], Any]:
    """A `type` that raises a ConfigError for a text that is no number or none of the choices."""
    kind: Callable[[str], Any] = settings.get("type", str)
    choices: Sequence[str] | None = settings.get("choices")
    what = NUMBERS.get(kind)

    def read(text: str) -> Any:
        if choices is not None and text not in choices:
            raise ConfigError(key, text, with_near("is not known", text, choices), choices)
        try:
            return kind(text)
        except ValueError as error:
            if what is None:
                raise
            allowed = f"a {what}: {settings.get('help', '')}" % {"default": settings.get("default")}
            raise ConfigError(key, text, f"is no {what}", allowed) from error

    return read
