"""Reads dataclasses from JSON, by the types and defaults of their fields."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
Reader: TypeAlias = Callable[[Any], Any]

PLAIN = {str: "text", bool: "truth value", int: "whole number", float: "number"}


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


def read_as(kind: type[T], content: object, file: Path | None = None) -> T:
    """Build a dataclass from the result of `json.loads`.

    A field with a default may be missing; unknown fields are left out. Lists become lists or, by
    the field's type, tuples. Values are not converted: an int is accepted for a float.

    Args:
        kind: its fields are plain types, StrEnums, dataclasses, sequences, mappings with string
            keys, Any, or one of these or None.
        file: for the message.

    Raises:
        FieldError: a field is missing, or has another type.
    """
    try:
        return cast(T, _reader(cast(Any, kind))(content))
    except _WrongValueError as error:
        where = repr(error.place) if error.place else "the whole"
        raise FieldError(f"{where} {error.problem}", file) from None


@cache
def _reader(hint: Any) -> Reader:
    if hint is Any or hint is object:
        return lambda value: value
    origin, arguments = get_origin(hint), get_args(hint)
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


def _plain(hint: type) -> Reader:
    takes = (int, float) if hint is float else hint

    def read(value: Any) -> Any:
        if not isinstance(value, takes) or (isinstance(value, bool) and hint is not bool):
            raise _WrongValueError(f"is no {PLAIN[hint]}: {value!r:.100}")
        return value

    return read


def _word(hint: type[StrEnum]) -> Reader:
    def read(value: Any) -> Any:
        try:
            return hint(value)
        except ValueError:
            raise _WrongValueError(f"is none of {', '.join(hint)}: {value!r:.100}") from None

    return read


def _sequence(kind: Callable[[list[Any]], Any], inner: Reader) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise _WrongValueError(f"is no list: {value!r:.100}")
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
            raise _WrongValueError(f"is no object: {value!r:.100}")
        found = {}
        for key, own in value.items():
            try:
                found[key] = inner(own)
            except _WrongValueError as error:
                raise error.within(key) from None
        return found

    return read


def _dataclass(kind: type) -> Reader:
    hints = get_type_hints(kind)
    known = [
        (own.name, _reader(hints[own.name]),
         own.default is not MISSING or own.default_factory is not MISSING)
        for own in fields(kind)
    ]  # fmt: skip

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _WrongValueError(f"is no object: {value!r:.100}")
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
