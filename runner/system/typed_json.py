"""Reads dataclasses from JSON, by the types and defaults of their fields."""

from __future__ import annotations

import reprlib
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import (
    Annotated,
    Any,
    TypeAlias,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from runner.system.untrusted import UntrustedError, parse_json, read_regular

T = TypeVar("T")
Reader: TypeAlias = Callable[[Any], Any]

PLAIN = {str: "text", bool: "truth value", int: "whole number", float: "number"}
LARGEST = 2**64
"""Absolute value of the largest whole number: seeds have 64 bits."""


_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 100


def _shown(value: object) -> str:
    """A value in a message: `repr` of one that is nested a thousand times has no end."""
    return _brief.repr(value)


class FieldError(ValueError):
    """A field is missing, or has another type.

    Attributes:
        problem: which field, and what is wrong with it.
        file: where it was read from; None while that is unknown.
    """

    def __init__(self, problem: str, file: Path | None = None) -> None:
        super().__init__(f"{file}: {problem}" if file else problem)
        self.problem = problem
        self.file = file


class _WrongValueError(Exception):
    """Raised inside a value; collects the place on its way up: keys, positions in lists."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.place = ""

    def within(self, part: str) -> _WrongValueError:
        separator = "" if not self.place or self.place.startswith("[") else "."
        self.place = f"{part}{separator}{self.place}"
        return self


def read_json(file: Path, *, finite: bool = False) -> Any:
    """What a JSON file says, which anyone may have written.

    Args:
        finite: whether NaN and Infinity, which Python writes and JSON does not know, are refused.

    Raises:
        OSError: it does not exist or cannot be read.
        FieldError: it is no regular file, too large, or no JSON.
    """
    try:
        return parse_json(read_regular(file), finite=finite)
    except UntrustedError as error:
        raise FieldError(str(error), file) from None


def read_as(kind: type[T], content: object, file: Path | None = None, *, place: str = "") -> T:
    """Build a dataclass from the result of `json.loads`.

    A field with a default may be missing; unknown fields are left out. Lists become lists or, by
    the field's type, tuples. Values are not converted: an int is accepted for a float.

    Args:
        kind: its fields are plain types, StrEnums, dataclasses, sequences, mappings with string
            keys, Any, or one of these or None. `Annotated[kind, check]` calls `check` with the
            value: it returns it, or raises UntrustedError.
        file: for the message.
        place: of `content` in its file, for the message.

    Raises:
        FieldError: a field is missing, or has another type.
    """
    try:
        return cast(T, _reader(cast(Any, kind))(content))
    except _WrongValueError as error:
        error = error.within(place) if place else error
        where = repr(error.place) if error.place else "the whole"
        raise FieldError(f"{where} {error.problem}", file) from None


@cache
def _reader(hint: Any) -> Reader:
    if hint is Any or hint is object:
        return lambda value: value
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _checked(_reader(arguments[0]), arguments[1:])
    if origin in (Union, types.UnionType):
        (inner,) = (_reader(own) for own in arguments if own is not type(None))
        return lambda value: None if value is None else inner(value)
    if origin in (list, tuple, Sequence):
        return _sequence(tuple if origin is tuple else list, _reader(arguments[0]))
    if origin in (dict, Mapping):
        return _mapping(_reader(arguments[1]))
    if is_dataclass(hint):
        return _dataclass(cast(type, hint))
    if issubclass(hint, StrEnum):
        return _word(hint)
    return _plain(hint)


def _checked(inner: Reader, checks: Sequence[Reader]) -> Reader:
    def read(value: Any) -> Any:
        value = inner(value)
        try:
            for check in checks:
                value = check(value)
        except UntrustedError as error:
            raise _WrongValueError(str(error)) from None
        return value

    return read


def _plain(hint: type) -> Reader:
    takes = (int, float) if hint is float else hint

    def read(value: Any) -> Any:
        if not isinstance(value, takes) or (isinstance(value, bool) and hint is not bool):
            raise _WrongValueError(f"is no {PLAIN[hint]}: {_shown(value)}")
        if isinstance(value, int) and abs(value) > LARGEST:
            raise _WrongValueError("is too large a number")
        return value

    return read


def _word(hint: type[StrEnum]) -> Reader:
    def read(value: Any) -> Any:
        try:
            return hint(value)
        except ValueError:
            raise _WrongValueError(f"is none of {', '.join(hint)}: {_shown(value)}") from None

    return read


def _sequence(kind: Callable[[list[Any]], Any], inner: Reader) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise _WrongValueError(f"is no list: {_shown(value)}")
        found = []
        for number, own in enumerate(value):
            try:
                found.append(inner(own))
            except _WrongValueError as error:
                raise error.within(f"[{number}]") from None
        return kind(found)

    return read


def _mapping(inner: Reader) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _WrongValueError(f"is no object: {_shown(value)}")
        found = {}
        for key, own in value.items():
            try:
                found[key] = inner(own)
            except _WrongValueError as error:
                raise error.within(key) from None
        return found

    return read


def _dataclass(kind: type) -> Reader:
    hints = get_type_hints(kind, include_extras=True)
    known = [
        (own.name, _reader(hints[own.name]),
         own.default is not MISSING or own.default_factory is not MISSING)
        for own in fields(kind)
    ]  # fmt: skip

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _WrongValueError(f"is no object: {_shown(value)}")
        found = {}
        for name, inner, optional in known:
            if name in value:
                try:
                    found[name] = inner(value[name])
                except _WrongValueError as error:
                    raise error.within(name) from None
            elif not optional:
                raise _WrongValueError("is missing").within(name)
        return kind(**found)

    return read
