"""Processes that import for workers run while a command is planned, and never afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from functional.made import STEPS
from helpers.manifests import read_manifest
from runner.cli import main
from runner.config.hydra import app
from runner.tracking import writers
from runner.verbs import run
from runner.workers import host
from tracking.processes import commands, parent_of, wait_until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there")

MODULE = b"runner.workers.process"


def hosts() -> list[int]:
    """Process ids of those that this process has begun."""
    return children_of(os.getpid())


def children_of(parent: int) -> list[int]:
    return [
        pid for pid, command in commands().items()
        if MODULE in command and parent_of(pid) == parent
    ]  # fmt: skip


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(run, "cpu_cores", lambda: 2)
    monkeypatch.setattr(run, "guess_device", lambda: "cpu")
    assert hosts() == []
    yield
    host.stand_down()


def test_workers_come_from_the_one_that_stood_by() -> None:
    host.stand_by([2])
    wait_until(hosts)
    standing = hosts()
    taken = host.take(2)
    assert [taken.pid] == standing == hosts()
    taken.close()
    assert hosts() == []


def test_one_with_too_few_places_makes_way_for_another() -> None:
    host.stand_by([2])
    taken = host.take(3)
    assert len(taken.connections) == 3
    wait_until(lambda: hosts() == [taken.pid])
    taken.close()
    assert hosts() == []


def test_each_worker_of_an_accelerator_has_a_process_of_its_own() -> None:
    host.stand_by([1, 1])
    wait_until(lambda: len(hosts()) == 2)
    standing = hosts()
    taken = [host.take(1), host.take(1)]
    assert sorted(one.pid for one in taken) == standing == hosts()
    for one in taken:
        one.close()
    assert hosts() == []


def test_where_none_can_be_begun_nothing_is_lost() -> None:
    before = len(os.listdir("/proc/self/fd"))
    host.stand_by([1_000_000])  # more than there are descriptors
    assert hosts() == []
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("there", "arguments", "begun"),
    [
        ("cpu", ["scheduler=ddim"], []),
        ("cpu", ["-m", "scheduler=ddim,ddpm"], [2]),
        ("cpu", ["-m", "device=cpu", "scheduler=ddim,ddpm"], [2]),
        ("cpu", ["-m", "workers=1", "scheduler=ddim,ddpm"], []),
        ("cpu", ["-m", "++workers=3"], []),
        ("cpu", ["-m", "bench=true"], []),
        ("cpu", ["-m", "device=cuda"], []),
        ("cpu", ["--multirun", "hydra/launcher=ray"], []),
        ("cpu", ["-m", "--cfg", "job"], []),
        ("cuda", ["scheduler=ddim"], [1]),
        ("cuda", ["-m", "scheduler=ddim,ddpm"], [1, 1]),
        ("cuda", ["-m", "workers=1", "scheduler=ddim,ddpm"], [1]),
        ("cuda", ["-m", "device=cuda:1"], [1]),
        ("cuda", ["-m", "device=cpu", "scheduler=ddim,ddpm"], [2]),
        ("cuda", ["device=cpu"], []),
        ("mps", ["-m", "scheduler=ddim,ddpm"], []),
    ],
    ids=str,
)
def test_those_that_are_likely_to_be_needed_stand_by(
    there: str, arguments: list[str], begun: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []
    monkeypatch.setattr(run, "guess_device", lambda: there)
    monkeypatch.setattr(run, "accelerators", lambda: 2)
    monkeypatch.setattr(writers, "stand_by", lambda *, yielding: None)
    monkeypatch.setattr(host, "stand_by", found.extend)
    monkeypatch.setattr(app, "run_with_hydra", lambda *_: 0)
    assert main(arguments) == 0
    assert found == begun


def test_on_one_core_none_stands_by_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "cpu_cores", lambda: 1)
    monkeypatch.setattr(app, "run_with_hydra", lambda *_: 0)
    found: list[int] = []
    monkeypatch.setattr(host, "stand_by", found.extend)
    assert main(["-m", "scheduler=ddim,ddpm"]) == 0
    assert found == []


@pytest.mark.parametrize("stopping", [signal.SIGINT, signal.SIGKILL])
def test_none_outlives_a_runner_that_is_stopped_while_it_plans(
    stopping: signal.Signals, tmp_path: Path
) -> None:
    many = ("scheduler=ddim,ddpm", "prior.num_inference_steps=range(2,90)")
    command = [sys.executable, "-m", "runner", "-m", *many]
    began = time.monotonic()
    # What a shell starts in the background ignores SIGINT, and so do the processes it starts.
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0,
            cwd=tmp_path,
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, heard)
    wait_until(lambda: children_of(process.pid))
    time.sleep(0.1)
    os.killpg(process.pid, stopping)
    _, said = process.communicate(timeout=60)  # not before all have closed these pipes
    assert time.monotonic() - began < 30
    assert "Traceback" not in said


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


@pytest.mark.slow
def test_a_sweep_for_one_worker_imports_nothing_twice(weights: Path, tmp_path: Path) -> None:
    """The process that stood by runs it, and the command itself imports no torch."""
    given = (f"weights={weights}", f"output_dir={tmp_path}", "tracking=none", *STEPS)
    code = f"""
import sys
from runner.cli import main
from runner.verbs import run
run.cpu_cores, run.guess_device = lambda: 2, lambda: "cpu"
print(main(["-m", "progress=quiet", *{given}, "seeds=[1],[2]"]), "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["0", "False"], done.stderr
    cells = sorted((tmp_path / "latest").resolve().glob("*/manifest.json"))
    assert [read_manifest(cell.parent)["status"] for cell in cells] == ["FINISHED"] * 2
