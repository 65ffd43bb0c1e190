"""`workers.keep`: what it takes, beside a number of workers, and what it says in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.plans import plan
from runner.config.axes import settings_of
from runner.config.keeping import format_seconds, seconds_of
from runner.errors import ConfigError
from runner.planning.plan import Plan
from unit.conftest import Command, assert_refused


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("10m", 600), (" 2h", 7200), ("7d", 604800)]
)
def test_a_time_is_read_as_it_is_written(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds
    assert format_seconds(seconds) == text.strip()


@pytest.mark.parametrize("value", ["10", 10, "0s", "8d", "1.5h", "m", "-1m", True, "on", [1]])
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^workers\.keep="):
        seconds_of(value)


@pytest.mark.parametrize(
    "given",
    [
        ("workers=2", "workers.keep=10m"),
        ("workers.keep=10m", "workers=2"),
        ("++workers.keep=10m", "workers.count=2"),
        ("+workers.keep=10m", "workers=2"),
        ("workers_keep=10m", "workers=2"),
    ],
    ids=" ".join,
)
def test_it_stands_beside_the_number(given: tuple[str, ...], tmp_path: Path) -> None:
    planned = plan("tracking=none", f"output_dir={tmp_path}", *given)
    assert isinstance(planned, Plan)
    run = planned.run
    assert (run.workers, run.workers_keep) == (2, 600)
    assert run.composed["workers"] == 2
    assert "workers_keep" not in run.composed


def test_a_file_may_say_both_or_one_of_them(tmp_path: Path, command: Command) -> None:
    study = tmp_path / "experiment" / "kept.yaml"
    study.parent.mkdir()
    given = (f"--config-dir={tmp_path}", "experiment=kept", "tracking=none")
    study.write_text("# @package _global_\nworkers: {count: 3, keep: 1h}\n")
    assert command("plan", *given).status == 0
    study.write_text("# @package _global_\nworkers: {number: 3}\n")
    assert_refused(command("plan", *given), "workers=", "allowed: count, keep")
    # The command line does not lose the file's number.
    study.write_text("# @package _global_\nworkers: 3\n")
    said = command("--cfg", "job", *given, "workers.keep=1h")
    assert "workers: 3\nworkers_keep: 1h\n" in said.out


def test_an_axis_may_say_it() -> None:
    (kept, ends) = settings_of({"workers.keep": ["10m", "off"], "workers.count": 2})
    assert kept == {"workers_keep": "10m", "workers": 2}
    assert ends == {"workers_keep": "off", "workers": 2}


def test_a_measurement_keeps_nothing(command: Command) -> None:
    assert_refused(command("plan", "workers.keep=1m", "bench=true"), "workers.keep=1m: bench=true")
