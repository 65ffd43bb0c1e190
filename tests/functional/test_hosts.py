"""The process that imports for workers stands by while a sweep is planned, and never afterwards."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from functional.made import STEPS
from runner.cli import main
from runner.outputs import read_manifest
from runner.workers import host
from tracking.processes import commands, parent_of

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there")

MODULE = b"runner.workers.process"


def hosts() -> list[int]:
    """Process ids of those that this process has begun."""
    return [
        pid for pid, command in commands().items()
        if MODULE in command and parent_of(pid) == os.getpid()
    ]  # fmt: skip


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(host, "cpu_cores", lambda: 2)
    monkeypatch.setattr(host, "likely_device", lambda: "cpu")
    assert hosts() == []
    yield
    host.stand_down()


def test_workers_come_from_the_one_that_stood_by() -> None:
    host.stand_by(["-m", "scheduler=ddim,ddpm"])
    standing = hosts()
    assert len(standing) == 1
    taken = host.take(2)
    assert [taken.pid] == standing == hosts()
    taken.kill()
    assert hosts() == []


def test_one_with_too_few_places_is_not_taken() -> None:
    host.stand_by(["-m"])
    taken = host.take(3)
    assert len(taken.connections) == 3
    assert len(hosts()) == 2
    taken.kill()
    host.stand_down()
    assert hosts() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["scheduler=ddim"],
        ["-m", "workers=1", "scheduler=ddim,ddpm"],
        ["-m", "bench=true"],
        ["-m", "device=cuda"],
        ["--multirun", "hydra/launcher=ray"],
    ],
    ids=" ".join,
)
def test_none_stands_by_where_none_is_likely_to_be_needed(arguments: list[str]) -> None:
    host.stand_by(arguments)
    assert hosts() == []


def test_none_stands_by_without_a_second_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "cpu_cores", lambda: 1)
    host.stand_by(["-m", "scheduler=ddim,ddpm"])
    assert hosts() == []


def test_a_sweep_that_is_refused_leaves_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-m", "scheduler=ddim,nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err
    assert hosts() == []


@pytest.mark.slow
def test_a_sweep_too_small_for_workers_leaves_none(weights: Path, tmp_path: Path) -> None:
    given = (f"weights={weights}", f"output_dir={tmp_path}", "tracking=none", *STEPS)
    assert main(["-m", "progress=quiet", *given, "seeds=[1],[2]"]) == 0
    assert hosts() == []
    cells = sorted((tmp_path / "latest").resolve().glob("*/manifest.json"))
    assert [read_manifest(cell.parent)["status"] for cell in cells] == ["FINISHED"] * 2
