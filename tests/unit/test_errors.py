"""The exception tree and what its messages say."""

from __future__ import annotations

import inspect
import signal
from pathlib import Path

import pytest

from runner import errors
from runner.errors import ConfigError, Interrupted, RunnerError, shown


def test_the_docstring_draws_every_exception_with_its_status() -> None:
    assert errors.__doc__ is not None
    for name, found in inspect.getmembers(errors, inspect.isclass):
        if issubclass(found, RunnerError) and found is not RunnerError:
            (line,) = (line for line in errors.__doc__.splitlines() if f" {name} " in line)
            assert f"exit {found.exit_status} " in line


@pytest.mark.parametrize(
    ("allowed", "end"),
    [(None, ""), ("words", "\n  allowed: words"), (["a", 3], "\n  allowed: a, 3")],
)
def test_config_error_says_key_value_problem_and_what_is_allowed(
    allowed: list[object] | str | None, end: str
) -> None:
    assert str(ConfigError("some.key", 5, "is wrong", allowed)) == f"some.key=5: is wrong{end}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "null"), ("", "''"), ("  ", "'  '"), ("a\n  b", "a b"), (1.5, "1.5")],
)
def test_values_are_shown_on_one_line(value: object, expected: str) -> None:
    assert shown(value) == expected


def test_long_texts_are_shortened_and_paths_are_not() -> None:
    assert len(shown("x" * 500)) == 120
    assert shown(Path("x" * 500)) == "x" * 500


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_has_the_shells_status_and_is_no_exception(number: int, status: int) -> None:
    stop = Interrupted(number)
    assert stop.exit_status == status
    assert not isinstance(stop, Exception)
