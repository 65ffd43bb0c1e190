"""The exception tree and what its messages say."""

from __future__ import annotations

import ast
import signal
from pathlib import Path

import pytest

import runner
from runner import errors
from runner.errors import ConfigError, Interrupted, RunnerError, format_value


def bases_of_classes() -> dict[str, tuple[Path, set[str]]]:
    """Of every class of the package, its file and the names of its bases."""
    found = {}
    for file in Path(runner.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
                found[node.name] = file, bases
    return found


def test_the_docstring_draws_every_exception_of_the_package_with_its_status() -> None:
    assert errors.__doc__ is not None
    classes = bases_of_classes()
    ours = {"RunnerError", "Interrupted"}
    while more := {name for name, (_, bases) in classes.items() if bases & ours} - ours:
        ours |= more
    assert {"SweepError", "RunFailedError", "NonFiniteError"} <= ours
    for name in ours:
        assert classes[name][0] == Path(errors.__file__), f"{name} belongs in errors.py"
        (line,) = (line for line in errors.__doc__.splitlines() if f"{name} " in line)
        found = getattr(errors, name)
        if issubclass(found, RunnerError) and found is not RunnerError:
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
    assert format_value(value) == expected


def test_long_texts_are_shortened_and_paths_are_not() -> None:
    assert len(format_value("x" * 500)) == 120
    assert format_value(Path("x" * 500)) == "x" * 500


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_has_the_shells_status_and_is_no_exception(number: int, status: int) -> None:
    stop = Interrupted(number)
    assert stop.exit_status == status
    assert not isinstance(stop, Exception)
