"""A multirun runs all its jobs, and what Hydra writes of it holds no credentials."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.conftest import Command, assert_refused


def written(tmp_path: Path) -> str:
    return (tmp_path / "working" / "outputs" / ".hydra-multirun" / "multirun.yaml").read_text()


@pytest.mark.parametrize(
    "override",
    [
        "tracking.uri=http://user:pa55word@host",
        "tracking.uri='http://user:pa55\\'word@host'",
        "tracking.uri=http://user:pa55word@host,http://user:pa55word@other",
    ],
)
def test_no_credentials_are_written(command: Command, tmp_path: Path, override: str) -> None:
    said = command("plan", "-m", override, "height=64,128")
    assert said.status == 0
    assert "pa55" not in written(tmp_path)
    assert "height=64,128" in written(tmp_path)


def test_nor_where_a_job_cannot_be_composed(command: Command, tmp_path: Path) -> None:
    said = command("plan", "-m", "tracking.uri=http://user:pa55word@host", "scheduler=ddim,none")
    assert_refused(said, "scheduler=none")
    assert "pa55" not in written(tmp_path)


def test_all_jobs_run_with_the_worst_status(command: Command) -> None:
    said = command("plan", "-m", "height=64,65,128")
    assert said.status == 2
    assert "128 x 64" in said.out
    assert "128 x 128" in said.out
    assert said.err.count("error: ") == 1
